"""What each document says: its facts, ready for a template."""
