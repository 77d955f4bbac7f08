"""Double entry: the chart of accounts, and the one function that moves money."""
