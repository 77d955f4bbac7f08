"""Pages for browsers: the portal, GraphiQL, the about page and the credit policy."""
