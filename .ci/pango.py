"""Exits with 0 when the libraries that WeasyPrint prints with can be loaded.

Importing WeasyPrint would tell as well, but takes two seconds.
"""

import ctypes
import sys

LIBRARIES = {
    "darwin": ("libpango-1.0.dylib", "libpangoft2-1.0.dylib", "libharfbuzz-subset.dylib"),
    "linux": ("libpango-1.0.so.0", "libpangoft2-1.0.so.0", "libharfbuzz-subset.so.0"),
}
# Homebrew's folders are not on the loader's path.
FOLDERS = {"darwin": ("", "/opt/homebrew/lib/", "/usr/local/lib/"), "linux": ("",)}


def loads(name: str) -> bool:
    """Say whether a shared library of this name is found in one of the folders."""
    for folder in FOLDERS[sys.platform]:
        try:
            ctypes.CDLL(folder + name)
        except OSError:
            continue
        return True
    return False


sys.exit(0 if all(loads(name) for name in LIBRARIES.get(sys.platform, ())) else 1)
