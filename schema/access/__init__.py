"""Who asks: signing in, and what belongs to it."""
