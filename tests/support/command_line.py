"""The command line in this process."""

from __future__ import annotations

from typer.testing import CliRunner, Result

from api.cli import main

SECRET = "0123456789abcdef0123456789abcdef"


def run(*command: str, url: str = "", stdin: str | None = None, **environment: str) -> Result:
    if url:
        environment["DATABASE_URL"] = url
    return CliRunner().invoke(
        main.app, command, input=stdin, env={"SECRET_KEY": SECRET, **environment}
    )
