"""Why a payment failed is said in words, whatever PayPal calls it."""

from __future__ import annotations

import pytest

from api.gateways.paypal.refusals import _CODES, TRY_AGAIN, code_of
from schema.core.texts import CATALOGUES

#: Codes that do not come from an issue of PayPal's.
OWN = {"gateway_refused", "refund_failed", "whole_amounts_only"}


@pytest.mark.parametrize("language", sorted(CATALOGUES))
def test_every_code_has_a_sentence(language: str) -> None:
    said = {f"failure.{code}" for code in {*_CODES.values(), *OWN}}
    assert said <= set(CATALOGUES[language])


def test_codes_are_short_and_an_issue_of_tomorrow_has_one() -> None:
    assert all(len(code) <= 64 for code in _CODES.values())
    assert code_of("AN_ISSUE_OF_TOMORROW") == "gateway_refused"
    assert "INSTRUMENT_DECLINED" in TRY_AGAIN
