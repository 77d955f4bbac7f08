"""Colours as `#rrggbb`, and whether text in them can be read (WCAG 2.1)."""

from __future__ import annotations

from typing import Final

#: WCAG 2.1, 1.4.3: text needs this contrast.
CONTRAST_MIN: Final = 4.5
INK: Final = "#0f172a"
WHITE: Final = "#ffffff"
BLACK: Final = "#000000"
_STEP: Final = 0.05


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, from 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def on_colour(colour: str) -> str:
    """White or ink, whichever reads better on `colour`."""
    return WHITE if contrast(colour, WHITE) >= contrast(colour, INK) else INK


def readable(colour: str, on: str) -> str:
    """The colour itself where it can be read on `on`; else the nearest darker one that can, or
    lighter one on a dark ground.
    """
    toward = BLACK if contrast(on, BLACK) > contrast(on, WHITE) else WHITE
    mixed, share = colour, 0.0
    while contrast(mixed, on) < CONTRAST_MIN:
        share += _STEP
        mixed = mix(colour, toward, share)
    return mixed


def mix(colour: str, other: str, share: float) -> str:
    """The colour with `share` (0 to 1) of the other in it."""
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * min(share, 1)):02x}" for a, b in pairs)


def _channels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def _luminance(colour: str) -> float:
    channels = (channel / 255 for channel in _channels(colour))
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)  # noqa: PLR2004 - sRGB's
    red, green, blue = linear
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
