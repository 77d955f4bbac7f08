"""Vouched clients: who holds the token of an issuer that we trust, by its partner's external id."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, TypeAlias

from models.access.identity import Actor, MemberRole, Role
from models.access.session import Rights
from models.db import sql
from models.db.coalesced import Coalesced
from models.errors import Invalid
from models.text import clean_text

#: A partner's name, and what they call the client.
Voucher: TypeAlias = tuple[str, str]

_ID_CHARS_MAX: Final = 200

# Of several users that came with an account, the first: rows come last first.
_FIND: Final = """
    SELECT g.partner, g.client, u.id, u.account_id, a.locale, m.role AS member_role,
           EXISTS (SELECT 1 FROM member o WHERE o.account_id = a.id) AS shared
    FROM {vouchers}
    JOIN users p ON p.name = g.partner AND p.role = 'PARTNER' AND p.disabled_at IS NULL
    JOIN account a ON a.partner_id = p.id AND a.external_id = g.client
    JOIN users u ON u.account_id = a.id AND u.role = 'CLIENT' AND u.disabled_at IS NULL
    LEFT JOIN member m ON m.user_id = u.id AND m.account_id = a.id
    ORDER BY u.id DESC
"""


async def actor_of(partner: str, external_id: str, address: str) -> Actor | None:
    """The account's own user; None where the partner has no such client, or it is disabled.

    Ids are compared as they are: of two that only look the same, one is nobody's.
    """
    row = await _rows.find((partner, external_id)) if is_kept(external_id) else None
    if row is None:
        return None
    role, account_id, member_role, _ = _rights(row)
    return Actor(
        role=role,
        user_id=row["id"],
        account_id=account_id,
        address=address,
        locale=row["locale"] or "",
        member_role=member_role,
        shared=bool(row["shared"]),
        vouched_as=(partner, external_id),
    )


def is_kept(external_id: str) -> bool:
    """Whether accounts keep an id in this form (`models.accounts.external`)."""
    try:
        return clean_text(external_id, maximum=_ID_CHARS_MAX) == external_id
    except Invalid:
        return False


async def rights_of(vouchers: Collection[Voucher]) -> dict[Voucher, Rights]:
    """What those of them give that still hold; one statement, and none for none."""
    rows = await _rows_of(list(vouchers)) if vouchers else {}
    return {voucher: _rights(row) for voucher, row in rows.items()}


def _rights(row: sql.Row) -> Rights:
    given = row["member_role"]
    member_role = MemberRole.OWNER if given is None else MemberRole(given)
    return Role.CLIENT, row["account_id"], member_role, False


async def _rows_of(vouchers: Sequence[Voucher]) -> dict[Voucher, sql.Row]:
    places = sql.given("g", 1, partner="text", client="text")
    asked = [{"partner": partner, "client": client} for partner, client in vouchers]
    rows = await sql.fetch(_FIND.format(vouchers=places), sql.json(asked))
    return {(row["partner"], row["client"]): row for row in rows}


_rows: Final = Coalesced(_rows_of)
