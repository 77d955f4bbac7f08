"""Logs: one JSON object an event, and no secrets in it."""

from __future__ import annotations

import json
import logging
import sqlite3
import warnings
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from api.observe import logs as telemetry
from tests.support.application import demo_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.once

TOKEN = "acs_5cOoVE_v_HkvI_XezvEs-KG6pWNrpAhmsQtu3fH2WiM"


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """Logs as the server writes them, until the test is over."""
    errors = StringIO()
    monkeypatch.setattr("sys.stderr", errors)
    # Not closed when others take their place.
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    telemetry.configure(demo_settings("sqlite:////tmp/never-opened.db", log_format="json"))
    yield errors
    logging.captureWarnings(capture=False)


def written(logs: StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(logs.getvalue())
    return line


@pytest.mark.parametrize(
    "name", ["password", "Authorization", "set-cookie", "code", "api_key", "client_secret", "token"]
)
def test_what_is_named_like_a_secret_is_hidden(logs: StringIO, name: str) -> None:
    structlog.get_logger().info("signed in", **{name: "hunter2"}, input={name: ["hunter2"]})
    line = written(logs)
    assert line[name] == telemetry.MASK
    assert line["input"] == {name: telemetry.MASK}


def test_a_token_is_hidden_wherever_it_stands(logs: StringIO) -> None:
    structlog.get_logger().info(f"got {TOKEN}", at=[f"Bearer {TOKEN}"])
    line = written(logs)
    assert "5cOoVE" not in json.dumps(line)
    assert line["event"] == f"got acs_{telemetry.MASK}"


def test_what_is_harmless_stays(logs: StringIO) -> None:
    structlog.get_logger().info("answered", status_code=200, path="/graphql", kind="query")
    line = written(logs)
    assert (line["status_code"], line["path"], line["level"]) == (200, "/graphql", "info")


def test_line_breaks_cannot_forge_a_line(logs: StringIO) -> None:
    structlog.get_logger().info('x\n{"event": "paid"}', path="/a\r\n\x1b[31mb")
    assert written(logs)["path"] == "/a\r\n\x1b[31mb"


def test_a_traceback_says_where_and_not_what_was_in_the_variables(
    logs: StringIO,
) -> None:
    hidden = {"password": "hunter2"}
    try:
        hidden["name"]
    except KeyError:
        structlog.get_logger().exception("failed")
    line = written(logs)
    assert "test_telemetry.py" in line["exception"]
    assert "hunter2" not in line["exception"]


def test_the_requests_id_is_on_every_line_of_it(logs: StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="order-42"):
        logging.getLogger("some.package").warning("slow: %s", TOKEN)
    line = written(logs)
    assert (line["request_id"], line["logger"]) == ("order-42", "some.package")
    assert "5cOoVE" not in line["event"]


def test_pythons_warnings_are_log_lines(logs: StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old habits", stacklevel=1)
        line = written(logs)
        logging.captureWarnings(capture=False)
    assert "old habits" in line["event"]


def failing(error: BaseException) -> None:
    met = RuntimeError("while asking")
    met.__cause__ = error
    structlog.get_logger().error("request_failed", path="/graphql", exc_info=met)


def full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def test_a_full_disk_is_one_line_a_minute_with_how_often_it_was_met(
    logs: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(telemetry, "monotonic", lambda: clock[0])
    for _ in range(500):
        failing(full())
    line = written(logs)
    assert (line["event"], line["trouble"], line["met"]) == ("database_trouble", "full", 1)
    assert "exception" not in line
    clock[0] += 61
    failing(full())
    first, second = map(json.loads, logs.getvalue().splitlines())
    assert (first["met"], second["met"]) == (1, 500)


def test_what_is_no_trouble_of_the_database_keeps_its_traceback(logs: StringIO) -> None:
    failing(sqlite3.IntegrityError("UNIQUE constraint failed"))
    assert "while asking" in written(logs)["exception"]
