"""Pages for browsers: the portal, GraphiQL, what the API says of itself."""
