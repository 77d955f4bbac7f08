"""Documents to download: links, what they say, PDFs made ahead."""
