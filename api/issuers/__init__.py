"""Trusted issuers: the tokens of existing portals and identity providers sign clients in."""
