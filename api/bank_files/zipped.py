"""Statement files in a ZIP archive, as banks hand out camt files: looked into, never unpacked.

What is in it is bounded before and while it is read; names are shown and nothing else.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from api.bank_files.lines import StatementUnreadable, clean

#: Far more than a bank has accounts of ours, and statements of a day.
FILES_MAX: Final = 1_000
#: All of them together, in bytes.
SIZE_MAX: Final = 64 * 2**20
#: How many times its own size a file may become; XML becomes some twenty times as large.
RATIO_MAX: Final = 200

_BEGINNINGS: Final = (b"PK\3\4", b"PK\5\6")
_ENCRYPTED: Final = 1
#: What zipfile raises at broken archives (NotImplementedError is a RuntimeError).
_DAMAGED: Final = (
    *(BadZipFile, RuntimeError, EOFError, OSError, LookupError, ValueError, OverflowError),
    *(struct.error, zlib.error),
)
#: What a bomb gains is not worth its name below this.
_SMALL: Final = 2**20


def is_zip(data: bytes) -> bool:
    """Whether it is an archive."""
    return data.startswith(_BEGINNINGS)


def files(data: bytes) -> list[tuple[str, bytes]]:
    """The names and contents of the files in an archive. Raises StatementUnreadable."""
    try:
        with ZipFile(BytesIO(data)) as archive:
            wanted = [one for one in archive.infolist() if not _is_none(one)]
            if len(wanted) > FILES_MAX:
                raise StatementUnreadable(f"it contains more than {FILES_MAX:,} files")
            return _read(archive, wanted)
    except _DAMAGED:
        raise StatementUnreadable("it is a damaged ZIP archive") from None


def _is_none(one: ZipInfo) -> bool:
    """Folders, and what macOS adds to each file."""
    return one.filename.endswith("/") or one.filename.startswith("__MACOSX/")


def _read(archive: ZipFile, wanted: list[ZipInfo]) -> list[tuple[str, bytes]]:
    found, left = [], SIZE_MAX
    for one in wanted:
        name = clean(one.filename)[-80:]
        content = _content(archive, one, name, left)
        left -= len(content)
        found.append((name, content))
    return found


def _content(archive: ZipFile, one: ZipInfo, name: str, left: int) -> bytes:
    if one.flag_bits & _ENCRYPTED or one.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise StatementUnreadable(f"{name} in it is encrypted, or its compression isn't supported")
    with archive.open(one) as file:
        content = file.read(left + 1)
    if len(content) > left:
        raise StatementUnreadable(f"its contents are larger than {SIZE_MAX // 2**20} MiB")
    if len(content) > max(_SMALL, one.compress_size * RATIO_MAX):
        raise StatementUnreadable(f"{name} in it is compressed more than {RATIO_MAX} times")
    if is_zip(content):
        raise StatementUnreadable(f"{name} in it is another archive")
    return content
