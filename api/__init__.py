"""The edges: HTTP, websockets, the command line, gateways, PDF rendering and the worker."""
