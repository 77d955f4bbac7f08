"""Each of the forty attacks has tests, and they are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.attacks import ATTACKS

TESTS = Path(__file__).parents[1]


def test_every_attack_is_tried_or_told_of() -> None:
    assert ATTACKS.keys() == set(range(1, 41))


@pytest.mark.parametrize("number", ATTACKS)
def test_the_tests_of_an_attack_are_there(number: int) -> None:
    names = ATTACKS[number].names
    assert names
    for file, test in names:
        text = (TESTS / file).read_text()
        assert re.search(rf"^(async )?def {test}\(", text, re.MULTILINE), f"{file}::{test}"
