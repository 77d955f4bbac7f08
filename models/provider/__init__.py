"""Who the provider is, and what it has decided."""
