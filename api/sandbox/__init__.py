"""The sandbox gateway's own pages: where a payer would be at a provider, and a provider's staff."""
