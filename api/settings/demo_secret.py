"""The key of demo mode: made once and kept in a file that only its owner reads."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from models.db import private

if TYPE_CHECKING:
    from pathlib import Path


def kept_secret(path: Path) -> str:
    """The key in `path`, made at the first call. Raises OSError."""
    if not path.exists():
        _write_once(path, secrets.token_urlsafe(48))
    private.close_to_others(path)
    return path.read_text(encoding="ascii").strip()


def _write_once(path: Path, text: str) -> None:
    """Whole or not at all, and the first of several processes wins."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)  # of a process that was killed
    private.write(draft, text.encode("ascii"))
    with suppress(FileExistsError):
        path.hardlink_to(draft)
    draft.unlink()
