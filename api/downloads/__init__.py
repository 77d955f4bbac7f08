"""Documents to download: links, what they say, PDFs rendered in advance."""
