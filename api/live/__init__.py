"""What wakes subscriptions."""
