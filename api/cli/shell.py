"""What every command needs: its settings, and how it answers programs and people."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from api.settings.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
#: Settings that are worth an option come before the environment.
DatabaseUrl = Annotated[
    str | None, typer.Option(help="The database. Default: DATABASE_URL.", show_default=False)
]


def load(
    *, demo: bool = False, secret: bool = True, logs: bool = False, **options: str | int | None
) -> Settings:
    """The settings, where an option that is given comes before the environment."""
    from api.observe import logs as telemetry
    from api.settings import settings

    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if demo:
        given["account_credit_demo"] = True
    made = settings.load_settings(secret=secret, **given)
    if not logs:
        # Commands answer in sentences; what the domain logs meanwhile is news only when it is bad.
        made.log_level = "warning"
    telemetry.configure(made)
    return made


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Expected problems become sentences on standard error and exit code 1."""
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:
        from api.cli.sentences import sentences

        problems = sentences(error)
        if not problems:
            raise
        fail(*problems)


def warn(settings: Settings) -> None:
    """Put what may not be meant so into the log."""
    # Not above, where it would come before api.observe and bring rich along.
    import structlog

    log = structlog.get_logger(__name__)
    for sentence in settings.warnings:
        log.warning("setting_missing", warning=sentence)


def fail(*problems: str) -> None:
    """Say why not, and exit with 1."""
    for problem in problems:
        say(problem)
    raise typer.Exit(1)


def say(text: str) -> None:
    """For people: on standard error."""
    typer.echo(text, err=True)


def as_json(value: object) -> str:
    """For programs."""
    import orjson

    return orjson.dumps(value).decode()


def in_columns(rows: Iterable[tuple[str, object]]) -> str:
    """Names and what belongs to them, as a table."""
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
