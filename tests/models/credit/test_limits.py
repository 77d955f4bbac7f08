"""Which currency's limits are meant."""

from __future__ import annotations

import pytest

from models.credit.limits import limits_meant
from models.errors import CurrencyNotSupported, Invalid
from models.provider.provider import provider
from tests.support.factories import STAFF, a_client

pytestmark = pytest.mark.usefixtures("provider")


async def test_where_none_is_named_the_limits_are_those_of_a_clients_own_currency() -> None:
    ada = await a_client()
    own = provider().limits[ada.account.currency]
    assert await limits_meant(None, ada.actor) == own
    assert await limits_meant(ada.account.currency, STAFF) == own


async def test_who_has_no_account_must_name_a_supported_currency() -> None:
    with pytest.raises(Invalid) as refused:
        await limits_meant(None, STAFF)
    assert refused.value.field == ("currency",)
    with pytest.raises(CurrencyNotSupported):
        await limits_meant("SEK", STAFF)
