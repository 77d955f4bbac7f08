"""Logs: one JSON object (or one coloured line) an event, with the request's id and no secrets.

Uvicorn's, the libraries' and Python's warnings go the same way as our own. What is logged for each
request (requests.py) goes a shorter one.
"""

from __future__ import annotations

import logging
import re
import sys
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from api.observe.writer import Writer
from models.db.trouble import Trouble, trouble_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.settings.settings import Settings

MASK: Final = "[hidden]"

_SECRET_WORDS: Final = frozenset(
    {"authorization", "code", "cookie", "cookies", "password", "secret", "signature", "token"}
)
_SECRET_NAMES: Final = frozenset(
    {"api_key", "apikey", "client_secret", "database_url", "redis_url"}
)
# Codes that tell what went wrong are no vouchers.
_HARMLESS_NAMES: Final = frozenset({"error_code", "exit_code", "status_code"})
_TOKENS: Final = re.compile(r"\b(ac[lst]_|ack_[0-9a-f]+_|whsec_)[\w+/=-]{16,}")

_MARKS: Final = ("acs_", "ack_", "acl_", "act_", "whsec_")

_writer: Writer | None = None
#: Writes a line of `tell`; None before there is a place to write to.
_own: Callable[[EventDict], None] | None = None


def configure(settings: Settings) -> None:
    """Set up this process's logs, to standard error."""
    global _writer, _own  # noqa: PLW0603 - one log a process
    _writer = writer = Writer(sys.stderr)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    renderer = _renderer(settings)
    structlog.configure(
        processors=[*_SHARED, Coalesced(), *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Of a file it needs no more than that.
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", writer)),
        cache_logger_on_first_use=True,
    )
    _own = _teller(level, renderer[-1], writer)
    handler = logging.StreamHandler(writer)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *_SHARED],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.INFO), force=True)
    logging.getLogger("tortoise").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    logging.captureWarnings(capture=True)


def in_background() -> AbstractContextManager[None]:
    """Write the log from a thread of its own in here: see Writer."""
    return nullcontext() if _writer is None else _writer.in_background()


def tell(event: str, **fields: object) -> None:
    """Log a line at `info` whose fields can hold no secret: nobody looks for one in them.

    What others say (a path, a name) must have gone through `without_tokens`.
    """
    if _own is None:
        structlog.get_logger().info(event, **fields)
    else:
        _own({**fields, "event": event})


def _teller(level: int, render: Processor, writer: Writer) -> Callable[[EventDict], None]:
    def tell_nothing(_event: EventDict) -> None:
        """Less is logged than this."""

    def tell_own(event: EventDict) -> None:
        event["level"] = "info"
        line = render(None, "info", _stamped(None, "info", event))
        writer.write(cast("str", line) + "\n")

    return tell_own if level <= logging.INFO else tell_nothing


def _is_news(record: logging.LogRecord) -> bool:
    """Uvicorn 0.54 calls each websocket that was refused with an answer of ours an error."""
    return record.msg != "ASGI callable returned without completing handshake."


def mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide values that are secrets by their name, and tokens wherever they stand."""
    return {name: _masked(name, value) for name, value in event.items()}


def _masked(name: str, value: Any) -> Any:  # noqa: ANN401 - a log line holds anything
    if _is_secret(name):
        return MASK
    if isinstance(value, str):
        return without_tokens(value)
    if isinstance(value, dict):
        return {str(key): _masked(str(key), each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", each) for each in value]
    return value


def without_tokens(text: str) -> str:
    """`text` without the secret parts of the tokens in it."""
    # Looking for what all of them have is ten times as fast.
    if any(mark in text for mark in _MARKS):
        return _TOKENS.sub(rf"\1{MASK}", text)
    return text


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    name = name.lower().replace("-", "_")
    if name in _HARMLESS_NAMES:
        return False
    return name in _SECRET_NAMES or not _SECRET_WORDS.isdisjoint(name.split("_"))


def _json(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()


def _renderer(settings: Settings) -> list[Processor]:
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    if console:
        plain = structlog.dev.plain_traceback
        colors = sys.stderr.isatty()
        return [mask, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    # Tracebacks as text, and never with the values of local variables: those may be secrets.
    return [structlog.processors.format_exc_info, mask, structlog.processors.JSONRenderer(_json)]


class Coalesced:
    """What ails the database is logged once a minute, with how often it was met, and without a
    traceback for each request that met it.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        self.seconds = seconds
        self._said: dict[Trouble, float] = {}
        self._met: Counter[Trouble] = Counter()

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Raises DropEvent for what was said within the minute."""
        error = _error_in(event)
        trouble = trouble_of(error)
        if error is None or trouble is None:
            return event
        self._met[trouble] += 1
        if monotonic() - self._said.get(trouble, -inf) < self.seconds:
            raise structlog.DropEvent
        self._said[trouble] = monotonic()
        told = {name: event[name] for name in ("timestamp", "level") if name in event}
        return told | {
            "event": "database_trouble",
            "trouble": trouble.value,
            "error": f"{type(error).__name__}: {error}",
            "met": self._met.pop(trouble),
        }


def _error_in(event: EventDict) -> BaseException | None:
    given = event.get("exc_info")
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        found: BaseException | None = given[1]
        return found
    return sys.exc_info()[1] if given else None


_stamped: Final = structlog.processors.TimeStamper(fmt="iso", utc=True)
_SHARED: Final[list[Processor]] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.StackInfoRenderer(),
    _stamped,
]
