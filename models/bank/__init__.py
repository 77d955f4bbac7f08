"""What banks report."""
