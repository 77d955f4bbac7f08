"""Documents: from a record to a PDF. What is here is pure, or runs in a process of its own."""
