"""Before and after paying: what it would come to."""
