"""What is tried, and what came of it."""
