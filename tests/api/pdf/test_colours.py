"""Colours that can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pdf.colours import CONTRAST_MIN, INK, WHITE, contrast, mix, on_colour, readable

colours = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", WHITE) == pytest.approx(21)
    assert contrast(WHITE, WHITE) == 1
    assert contrast("#767676", WHITE) == pytest.approx(4.54, abs=0.01)


@given(colours, st.sampled_from(["#eef1fe", "#1e2532", WHITE, "#000000"]))
def test_any_colour_becomes_one_that_can_be_read(colour: str, ground: str) -> None:
    shown = readable(colour, ground)
    assert contrast(shown, ground) >= CONTRAST_MIN
    assert (shown == colour) is (contrast(colour, ground) >= CONTRAST_MIN)


def test_colours_are_mixed_and_written_on() -> None:
    assert mix("#ff0000", "#000000", 0) == "#ff0000"
    assert mix("#ff0000", "#0000ff", 0.5) == "#800080"
    assert mix("#123456", WHITE, 1.3) == WHITE
    assert (on_colour("#facc15"), on_colour("#1d4ed8")) == (INK, WHITE)
