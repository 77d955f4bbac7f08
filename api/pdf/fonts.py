"""Where fonts are: beside the templates, and in packages installed for a script.

What a machine has of its own must not change a document, so nothing else is looked at.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

#: The extras `fonts-arabic`, `fonts-korean` and `fonts-chinese`: module and distribution.
PACKAGES: Final = {
    "fontpkg_noto_sans_arabic": "fontpkg-noto-sans-arabic",
    "pylopdf_fonts_ko": "pylopdf-fonts-ko",
    "pylopdf_fonts_zh_cn": "pylopdf-fonts-zh-cn",
}
_COLLECTIONS: Final = frozenset({".otc", ".ttc"})
_FONT_FILES: Final = frozenset({".otf", ".ttf", ".woff", ".woff2"}) | _COLLECTIONS
_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]+")
_MARKS: Final = frozenset({"Me", "Mn"})
_WHITE_SQUARE: Final = ord("\N{WHITE SQUARE}")
# No cache: it saves nothing for so few files, and outlives a font that is replaced.
_CONFIG: Final = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
{folders}
<alias><family>sans-serif</family>
<prefer><family>Inter</family><family>Noto Sans JP</family></prefer></alias>
</fontconfig>
"""


def installed() -> list[str]:
    """The optional packages that are here, with their versions: they are part of the result."""
    found = []
    for distribution in PACKAGES.values():
        try:
            found.append(f"{distribution} {version(distribution)}")
        except PackageNotFoundError:
            continue
    return found


class Shown(dict[int, int | None]):
    """What a text shows with these fonts, for `str.translate`: □ for what none of them has.

    A page that showed a font's sign for "missing" would be no PDF/A (ISO 19005-3, 6.2.11.8).
    """

    def __init__(self, templates: Path) -> None:
        super().__init__()
        self._covered: set[int] = set()
        for folder in _folders(templates):
            for path in folder.rglob("*"):
                if path.suffix.lower() in _FONT_FILES:
                    self._covered |= _characters(path)

    def __missing__(self, code: int) -> int | None:
        self[code] = self._shown(code)
        return self[code]

    def _shown(self, code: int) -> int | None:
        category = unicodedata.category(chr(code))
        # Joiners and what isolates directions are never drawn.
        if code in self._covered or category == "Cf":
            return code
        return None if category in _MARKS else _WHITE_SQUARE

    def text(self, text: str) -> str:
        """The text as it can be shown."""
        return _BEYOND_ASCII.sub(lambda run: run[0].translate(self), text)


def _characters(path: Path) -> set[int]:
    # Not at the top: only the process that renders needs it.
    from fontTools.ttLib import TTCollection, TTFont, TTLibError  # noqa: PLC0415

    opener = TTCollection if path.suffix.lower() in _COLLECTIONS else TTFont
    try:
        with path.open("rb") as file, opener(file, lazy=True) as opened:
            fonts = opened if opener is TTCollection else [opened]
            # A font of symbols has no characters.
            return {code for font in fonts for code in font.getBestCmap() or ()}
    except TTLibError:  # Pango passes over it, too
        return set()


@contextmanager
def configuration(templates: Path) -> Iterator[str]:
    """The path of a configuration that names those folders alone, while the fonts are found."""
    folders = _folders(templates)
    named = "\n".join(f"<dir>{_escaped(str(folder))}</dir>" for folder in folders)
    with NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as file:
        file.write(_CONFIG.format(folders=named))
        file.flush()
        yield file.name


def _folders(templates: Path) -> list[Path]:
    return [templates / "fonts", *map(Path, _package_folders())]


def _package_folders() -> Iterator[str]:
    for module in PACKAGES:
        spec = find_spec(module)
        if spec is not None:
            yield from spec.submodule_search_locations or ()


def _escaped(path: str) -> str:
    return path.replace("&", "&amp;").replace("<", "&lt;")
