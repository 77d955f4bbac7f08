"""A logo is a picture, and nothing else."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import pytest

from api.settings.logo import BYTES_MAX, read_logo

if TYPE_CHECKING:
    from pathlib import Path

SVG = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 4 4' {more}>{inside}</svg>"


def svg(inside: str = "<path d='M0 0h4v4z'/>", more: str = "") -> bytes:
    return SVG.format(inside=inside, more=more).encode()


def png(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def at(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "logo"
    path.write_bytes(content)
    return str(path)


def test_shapes_gradients_and_links_to_itself_are_welcome(tmp_path: Path) -> None:
    inside = (
        "<defs><linearGradient id='a'><stop offset='0' stop-color='red'/></linearGradient></defs>"
        "<path d='M0 0h4v4z' fill='url(#a)'/><use href='#a'/>"
    )
    assert read_logo(at(tmp_path, svg(inside))).media_type == "image/svg+xml"
    assert read_logo(at(tmp_path, png(40, 20))).media_type == "image/png"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"\xff" * 100,
        b"<svg/>",
        b"<!DOCTYPE svg [<!ENTITY a 'b'>]>" + svg(),
        svg("<script>alert(1)</script>"),
        svg("<image href='https://tracker.example/x.png'/>"),
        svg("<image href='file:///etc/passwd'/>"),
        svg("<foreignObject/>"),
        svg("<style>@import url(https://tracker.example)</style>"),
        svg("<path fill='url(https://tracker.example/#a)' d=''/>"),
        svg("<path style=\"fill: URL( 'file:///etc/passwd#a')\" d=''/>"),
        svg("<use href='other.svg#a'/>"),
        svg(more="onload='alert(1)'"),
        b"<svg xmlns='http://www.w3.org/2000/svg'><path d=''/></svg>",
        png(0, 10),
        png(100_000, 10),
        svg("<path d='" + "M0 0" * BYTES_MAX + "'/>"),
    ],
)
def test_what_refers_elsewhere_or_is_too_large_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match="must be"):
        read_logo(at(tmp_path, content))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="can't be read"):
        read_logo(str(tmp_path / "none.svg"))
