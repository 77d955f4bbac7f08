"""Archives of statements: looked into, and bounded before anything large is made of them."""

from __future__ import annotations

import struct
import time
from datetime import timedelta
from io import BytesIO
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest

from api.bank_files import StatementUnreadable, read, zipped
from tests.support.bank.files import IBAN, TODAY, Day, Transfer

pytestmark = pytest.mark.once

DAY = Day((Transfer(2500, "x", ref="A"),), opening=100, day=TODAY - timedelta(days=3))
NEXT = DAY.next(Transfer(300, "y", ref="B"))


def archive(files: dict[str, bytes], method: int = ZIP_DEFLATED) -> bytes:
    made = BytesIO()
    with ZipFile(made, "w", method) as into:
        for name, content in files.items():
            into.writestr(name, content)
    return made.getvalue()


@pytest.mark.parametrize("method", [ZIP_DEFLATED, ZIP_STORED])
def test_all_files_of_an_archive_are_read(method: int) -> None:
    files = {"a.xml": DAY.camt053(), "b/": b"", "b/c.sta": NEXT.mt940(), "__MACOSX/a": b"\0"}
    statements = read(archive(files, method), [IBAN])
    assert [one.form for one in statements] == ["camt.053", "MT940"]
    assert [len(one.lines) for one in statements] == [1, 1]


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "C:\\x", "a\nb", "x" * 300, "\u202ecod", "a\0b", " "],
)
def test_names_do_nothing(name: str) -> None:
    assert len(read(archive({name: DAY.camt053()}), [IBAN])) == 1
    with pytest.raises(StatementUnreadable) as refused:
        read(archive({name: b"<html/>"}), [IBAN])
    assert len(str(refused.value)) < 200
    assert str(refused.value).isprintable()


def test_one_file_that_cannot_be_read_refuses_all() -> None:
    with pytest.raises(StatementUnreadable, match=r"^b\.xml in it: entry 1: Amt"):
        read(
            archive({"a.xml": DAY.camt053(), "b.xml": DAY.camt053().replace(b">25.00<", b">x<")}),
            [IBAN],
        )
    with pytest.raises(StatementUnreadable, match=r"^note\.txt in it: "):
        read(archive({"a.xml": DAY.camt053(), "note.txt": b"Dear Sir"}), [IBAN])


def bad_crc() -> bytes:
    data = bytearray(archive({"a.xml": DAY.camt053()}, ZIP_STORED))
    data[60] ^= 1
    return bytes(data)


def encrypted() -> bytes:
    data = bytearray(archive({"a.xml": DAY.camt053()}))
    start = data.rindex(b"PK\1\2")
    data[start + 8] |= 1
    return bytes(data)


def lying() -> bytes:
    """It says that its content is a byte long."""
    data = bytearray(archive({"a.xml": b" " * 2**24}))
    start = data.rindex(b"PK\1\2")
    data[start + 24 : start + 28] = struct.pack("<I", 1)
    return bytes(data)


BAD = {
    "nothing": archive({}),
    "too many files": archive({f"{number}.xml": b"" for number in range(zipped.FILES_MAX + 1)}),
    "too large": archive({f"{n}": b"<a/>" + bytes(range(256)) * 2**17 for n in range(3)}, 0),
    "a bomb": archive({"a.xml": b"\0" * 2**25}),
    "an archive in it": archive({"a.zip": archive({"a.xml": DAY.camt053()})}),
    "cut off": archive({"a.xml": DAY.camt053()})[:-40],
    "the beginning alone": b"PK\3\4" + b"\0" * 100,
    "another packing": archive({"a.xml": DAY.camt053()}, ZIP_BZIP2),
    "a wrong sum": bad_crc(),
    "encrypted": encrypted(),
    "a wrong length": lying(),
}


@pytest.mark.parametrize("what", BAD)
def test_a_hostile_archive_is_refused_with_a_reason_and_at_once(what: str) -> None:
    before = time.process_time()
    with pytest.raises(StatementUnreadable) as refused:
        read(BAD[what], [IBAN])
    assert time.process_time() - before < 10
    assert len(str(refused.value)) < 200
