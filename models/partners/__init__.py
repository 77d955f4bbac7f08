"""Partners hear of what happens: endpoints, and what is delivered to them."""
