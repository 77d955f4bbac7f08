"""The web server: connections, middleware, health."""
