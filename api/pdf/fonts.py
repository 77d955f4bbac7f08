"""Where fonts are: beside the templates, and in packages that somebody installed for a script.

What a machine has of its own must not change a document, so nothing else is looked at.
"""

from __future__ import annotations

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


@contextmanager
def configuration(templates: Path) -> Iterator[str]:
    """The path of a configuration that names those folders alone, while the fonts are found."""
    folders = [templates / "fonts", *_package_folders()]
    named = "\n".join(f"<dir>{_escaped(str(folder))}</dir>" for folder in folders)
    with NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as file:
        file.write(_CONFIG.format(folders=named))
        file.flush()
        yield file.name


def _package_folders() -> Iterator[str]:
    for module in PACKAGES:
        spec = find_spec(module)
        if spec is not None:
            yield from spec.submodule_search_locations or ()


def _escaped(path: str) -> str:
    return path.replace("&", "&amp;").replace("<", "&lt;")
