"""Amounts as people type them: read whole, asked about, or refused, and never guessed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from deno import find_deno_bin
from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.support.browser.portal_visitor import Visit

READER: Final = Path(__file__).parents[2] / "api" / "web" / "portal" / "amount.ts"

DOLLARS: Final = {"group": ",", "point": ".", "decimals": 2}
EUROS: Final = {"group": ".", "point": ",", "decimals": 2}
YEN: Final = {"group": ",", "point": ".", "decimals": 0}
DINARS: Final = {"group": ",", "point": ".", "decimals": 3}

READ: Final = [
    (DOLLARS, "25", "25"),
    (DOLLARS, " 25.00 ", "25.00"),
    (DOLLARS, "25,00", "25.00"),
    (DOLLARS, "12,50", "12.50"),
    (DOLLARS, "1,5", "1.5"),
    (DOLLARS, "0,5", "0.5"),
    (DOLLARS, "0.500", "0.500"),
    (DOLLARS, "1,500", "1500"),
    (DOLLARS, "1,500.00", "1500.00"),
    (DOLLARS, "1.500,00", "1500.00"),
    (DOLLARS, "1,234,567", "1234567"),
    (DOLLARS, "1.234.567", "1234567"),
    (DOLLARS, "1.234.567,8", "1234567.8"),
    (DOLLARS, "1 500", "1500"),
    (DOLLARS, "1\u202f500,25", "1500.25"),
    (DOLLARS, "1'500.25", "1500.25"),
    (DOLLARS, "1\u2019234\u2019567", "1234567"),
    (DOLLARS, "\uff11\uff0c\uff15\uff10\uff10\uff0e\uff15\uff10", "1500.50"),
    (DOLLARS, "1234,567", "1234.567"),
    (DOLLARS, "0025", "0025"),
    (EUROS, "1.500", "1500"),
    (EUROS, "25.00", "25.00"),
    (YEN, "1,500", "1500"),
    (YEN, "\uff11\uff15\uff10\uff10", "1500"),
    (DINARS, "1.500", "1.500"),
    (DINARS, "1,500.250", "1500.250"),
]
ASKED: Final = [
    (DOLLARS, "1.500", ["1500", "1.50"]),
    (DOLLARS, "1.505", ["1505"]),
    (EUROS, "1,500", ["1500", "1.50"]),
    (YEN, "1.500", ["1500"]),
    (YEN, "1.000", ["1000", "1"]),
    (DINARS, "1,500", ["1500", "1.500"]),
]
REFUSED: Final = [
    *("", " ", "abc", "-5", "+5", "1e3", "25.", ".5", "$25", "25 USD", "NaN", "Infinity", "0x10"),
    *("1,00,000", "1,5000,000", "12,34,567.00", "1,500,00", "1.500.00", "1,,500"),
    *("1..5", "1.5.0", "1,234.567,8", "1.234,567.8", "1 5", "1 50", "1 500 5", "1, 500", "1 ,500"),
    *("1'50", "1 500'000", "1,500 000", "0,500,000", "0 500", "1" * 16, "1." + "0" * 10),
    *("\u0661\u0662\u0663", "\u2167", "1\u066b5", "1\u30025", "1\u30015", "1\n5", "1\u200b5"),
]


@pytest.fixture(scope="module")
def read() -> Any:
    """Every case, read by the portal's own code in one run."""
    cases = [[how, typed] for how, typed, _ in [*READ, *ASKED]]
    cases += [[DOLLARS, typed] for typed in REFUSED]
    code = (
        f"import {{ read }} from {json.dumps(READER.as_uri())};"
        f"console.log(JSON.stringify({json.dumps(cases)}.map(([how, typed]) => read(typed, how))))"
    )
    command = [find_deno_bin(), "eval", "--no-config", "--no-remote", code]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(zip(map(json.dumps, cases), json.loads(ran.stdout), strict=True))


@pytest.mark.parametrize(("how", "typed", "amount"), READ)
def test_an_amount_that_can_be_read_one_way_is_read(
    read: Any, how: dict[str, Any], typed: str, amount: str
) -> None:
    assert read[json.dumps([how, typed])] == {"amount": amount}


@pytest.mark.parametrize(("how", "typed", "either"), ASKED)
def test_an_amount_that_can_be_read_two_ways_is_asked_about(
    read: Any, how: dict[str, Any], typed: str, either: list[str]
) -> None:
    assert read[json.dumps([how, typed])] == {"either": either}


@pytest.mark.parametrize("typed", REFUSED)
def test_what_is_no_amount_is_refused(read: Any, typed: str) -> None:
    assert read[json.dumps([DOLLARS, typed])] is None


@pytest.mark.once
def test_what_will_be_charged_stands_beside_the_button_before_it_is_pressed(visit: Visit) -> None:
    visitor = visit().sign_in()
    visitor.go("Add Funds")
    charge, form = visitor.page.locator("form output"), visitor.page.locator("form")
    expect(charge).to_have_text("You will be charged $5.00.")
    visitor.amount.fill("25,00")
    expect(charge).to_have_text("You will be charged $25.00.")
    visitor.amount.fill("1,500")
    expect(charge).to_have_text("You will be charged $1,500.00.")
    visitor.amount.fill("1.500")
    expect(charge).to_have_text("")
    form.get_by_role("checkbox").check()
    form.get_by_role("button", name="Add Funds").click()
    visitor.sees("Which amount do you mean?")
    expect(visitor.page).to_have_url(f"{visitor.server.url}/billing/add-funds")
    form.get_by_role("button", name="$1.50", exact=True).click()
    expect(charge).to_have_text("You will be charged $1.50.")
    visitor.amount.fill("1,00,000")
    form.get_by_role("button", name="Add Funds").click()
    visitor.sees("Enter an amount such as 5.00.")
    visitor.amount.fill("1.234,50")
    form.get_by_role("button", name="Add Funds").click()
    expect(visitor.status).to_have_text("Unpaid")
    visitor.sees("$1,234.50")
