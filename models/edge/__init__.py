"""Tables that only the edges use."""
