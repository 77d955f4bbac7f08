"""What operators may set."""
