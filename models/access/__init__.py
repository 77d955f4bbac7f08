"""Who asks: people, sessions, API keys, and how often they may try."""
