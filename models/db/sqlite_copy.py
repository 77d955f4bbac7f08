"""Read-only copies: databases on read-only storage, such as backups."""

from __future__ import annotations

import os
from pathlib import Path


class Unreadable(Exception):
    """A copy that cannot be read where it is; a sentence says why."""


def is_fixed(filename: str) -> bool:
    """Whether a database is on read-only storage."""
    path = Path(filename).absolute()
    return path.is_file() and not (_can_be_written(path) and _can_be_written(path.parent))


def fixed_address(filename: str) -> str:
    """The URI by which it is read without the files that SQLite keeps beside a database in use.

    Raises Unreadable where such a file came along with it and has what the database lacks.
    """
    path = Path(filename).absolute()
    for suffix in ("-wal", "-journal"):
        beside = path.with_name(path.name + suffix)
        if beside.is_file() and beside.stat().st_size:
            raise Unreadable(
                f"{path} is a copy of a database in use: {beside.name} has changes that can only be"
                " read where files can be written. Copy both to such a place, or make copies with"
                " sqlite3's .backup."
            )
    return f"{path.as_uri()}?immutable=1"


def _can_be_written(path: Path) -> bool:
    # Root may write whatever the mode says, but not on a file system that is mounted read-only.
    return os.access(path, os.W_OK) and bool(path.stat().st_mode & 0o222)
