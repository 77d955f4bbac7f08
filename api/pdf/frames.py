"""What the server and the process that renders say to each other, in frames.

A frame is a byte that says what it is, four that say how long, and the rest.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

#: Where the templates are that come with the program.
TEMPLATES: Final = Path(__file__).parents[2] / "pdf_templates"

HEAD: Final = struct.Struct(">cI")
#: From the process, once: it can render, or why it never will.
READY: Final = b"R"
UNAVAILABLE: Final = b"U"
#: To the process: the seconds after which it ends itself, and the JSON of a `Document`.
SECONDS: Final = struct.Struct(">H")
DOCUMENT: Final = b"D"
#: From the process, one for each document: the bytes, or what went wrong.
PDF: Final = b"P"
FAILED: Final = b"F"

MISSING: Final = (
    "PDFs need Pango's libraries, which aren't installed. On Debian and Ubuntu: apt-get "
    "install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 - on macOS: brew install "
    "pango"
)


def frame(what: bytes, body: bytes = b"") -> bytes:
    """One frame."""
    return HEAD.pack(what, len(body)) + body
