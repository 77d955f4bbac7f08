"""Logs and metrics."""

import sys

# structlog brings rich along where that is installed (typer needs it): 0.1 s of every start and
# four megabytes of every process, for tracebacks in colours, which no log of ours has.
if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # Python's word for "not to be had"
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]
