"""`python -m api` is `account-credit`."""

from api.cli import main

main()
