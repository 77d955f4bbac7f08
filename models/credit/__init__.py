"""What a client has: balances, holds, promotional credit, vouchers, the statement."""
