"""`python -m api` is `account-credit`."""

from api.cli.main import main

main()
