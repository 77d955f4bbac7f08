"""Files and folders that only their owner reads: money, names and secrets are in them."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

FILE: Final = 0o600
FOLDER: Final = 0o700

_OTHERS: Final = 0o077

log = structlog.get_logger(__name__)


def make_file(path: Path) -> None:
    """An empty file if it does not exist; an existing one is closed to others.

    Raises OSError where none can be made.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE))
    close_to_others(path)


def write(path: Path, content: bytes) -> None:
    """A new file with that content. Raises FileExistsError, OSError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE), "wb") as file:
        file.write(content)


def make_folder(path: Path) -> None:
    """A folder, with those that it is in; the ones that are there stay as they are."""
    for folder in (*reversed(path.parents), path):
        folder.mkdir(mode=FOLDER, exist_ok=True)


def close_to_others(path: Path) -> bool:
    """Take away what group and others may do with it, and say so in the log; whether they could do
    anything. What is not there, or not ours, stays.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if not mode & _OTHERS:
            return False
        path.chmod(mode & ~_OTHERS)
    except FileNotFoundError:
        return False
    except OSError as error:
        log.warning("open_to_others", path=str(path), error=error.strerror)
        return True
    log.warning("was_open_to_others", path=str(path), mode=f"{mode:03o}")
    return True


def close_tree(folder: Path) -> None:
    """The same for a folder and, where it was open, all that is in it."""
    if not close_to_others(folder):
        return
    for within, folders, files in os.walk(folder):
        for name in (*folders, *files):
            close_to_others(Path(within, name))
