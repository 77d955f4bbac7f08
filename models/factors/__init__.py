"""Second factors: what proves who somebody is besides a password, and when it must be proven."""
