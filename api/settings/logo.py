"""The provider's logo: a PNG or SVG file that refers to nothing outside itself."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from models.provider.seller import Picture

#: It is a part of every document, and is kept with the invoices.
BYTES_MAX: Final = 128 * 1024
PIXELS_MAX: Final = 2000
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_SVG: Final = "{http://www.w3.org/2000/svg}"
#: What draws. Scripts, foreign content, pictures and style sheets do not, or may refer elsewhere.
_SHAPES: Final = frozenset(
    {"svg", "g", "defs", "symbol", "use", "title", "desc", "metadata", "clipPath", "mask"}
    | {"path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan"}
    | {"linearGradient", "radialGradient", "stop"}
)
_REFERENCE: Final = re.compile(r"url\(\s*['\"]?\s*(?!#)", re.IGNORECASE)


def read_logo(path: str) -> Picture:
    """The picture in that file. Raises ValueError with the rest of a sentence about the file."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except (OSError, ValueError):
        raise ValueError("names a file that can't be read") from None
    if len(content) > BYTES_MAX:
        raise ValueError(f"must be at most {BYTES_MAX // 1024} KiB")
    if content.startswith(_PNG):
        return _png(content)
    return _svg(content)


def _png(content: bytes) -> Picture:
    # PNG (ISO/IEC 15948), 11.2.2: IHDR comes first; width and height are its first two numbers.
    width, height = struct.unpack(">II", content[16:24]) if len(content) > 32 else (0, 0)  # noqa: PLR2004
    if not (0 < width <= PIXELS_MAX and 0 < height <= PIXELS_MAX):
        raise ValueError(f"must be at most {PIXELS_MAX} pixels wide and high")
    return Picture("image/png", content)


def _svg(content: bytes) -> Picture:
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise ValueError("must be an SVG without a document type")
    try:
        root = ET.fromstring(content)  # noqa: S314 - without a document type there are no entities
    except (ET.ParseError, ValueError):
        raise ValueError("must be a PNG or an SVG file") from None
    if root.tag != f"{_SVG}svg" or "viewBox" not in root.attrib:
        raise ValueError("must be an SVG with a viewBox")
    for element in root.iter():
        _check(element)
    return Picture("image/svg+xml", content)


def _check(element: ET.Element) -> None:
    name = str(element.tag)
    foreign = not name.startswith(_SVG) or name.removeprefix(_SVG) not in _SHAPES
    if foreign:
        raise ValueError("must be an SVG with only shapes and text")
    for key, value in element.attrib.items():
        local = key.rpartition("}")[2].lower()
        refers = local == "href" and not value.startswith("#")
        if local.startswith("on") or refers or _REFERENCE.search(value):
            raise ValueError("must be an SVG without references to anything outside it")
