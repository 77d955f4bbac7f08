"""How rows are read and written: connections, transactions, pages."""
