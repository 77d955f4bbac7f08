"""Lines of bank statements: what came in on our accounts, and what has become of each.

A line that quotes one of our references is booked by itself, and one that may be known already
never is: it is parked, and staff decide (`models.bank.assign`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from enum import StrEnum
from typing import ClassVar, Final
from uuid import UUID

from tortoise import fields

from models.access.identity import Actor
from models.bank.account import same_account
from models.db import sql
from models.db.page import Page, PageRequest, Rows, by_id, fetch_page
from models.db.record import Changing
from models.gateway import EventKind, GatewayEvent
from models.money import Money
from models.payments.payment import Payment
from models.provider.provider import provider

#: The form of what staff have recorded by hand.
BY_HAND = "hand"


class BankCreditKind(StrEnum):
    """The direction of a bank statement line."""

    CREDIT = "CREDIT"
    "It came in."
    RETURN = "RETURN"
    "It was returned to the sender."


class BankCreditState(StrEnum):
    """The state of a bank statement line."""

    BOOKED = "BOOKED"
    "Booked automatically to the payment whose reference it quotes."
    PARKED = "PARKED"
    "Waiting for staff; see `parkedReason`."
    ASSIGNED = "ASSIGNED"
    "Booked by staff."
    DISMISSED = "DISMISSED"
    "Dismissed by staff; it can still be assigned."


class ParkedWhy(StrEnum):
    """Why a bank statement line wasn't booked automatically."""

    UNKNOWN_REFERENCE = "UNKNOWN_REFERENCE"
    "It quotes no known reference."
    SEVERAL_REFERENCES = "SEVERAL_REFERENCES"
    "It quotes more than one."
    CURRENCY = "CURRENCY"
    "The payment that it quotes is in another currency."
    POSSIBLE_DUPLICATE = "POSSIBLE_DUPLICATE"
    "It may be a duplicate of another line; see `duplicateOf`."
    BATCH = "BATCH"
    "It is a batch of several transfers without details."
    REVERSAL = "REVERSAL"
    "A transfer from the provider was returned."


class BankCredit(Changing):
    """One line of a bank statement. UNIQUE (bank_account, kind, line_key); `amount` is minor units.

    `bank_ref` is the bank's own reference of the entry, `forms` are those that have reported it,
    with spaces between. `quoted` is the reference of ours that it quotes, where it is one.
    `folded` is the reference as references are compared (`match.folded`), and `balance_after`
    what was on the account after it, where its statement says so. `duplicate_of_id` is the line
    that it may be. Of a booked line the settlement has the reference `bank_account:line_key`.
    """

    PREFIX: ClassVar[str] = "bcr"
    FOLDED_MAX: ClassVar[int] = 160

    kind = fields.CharField(max_length=8)
    state = fields.CharField(max_length=16)
    why = fields.CharField(max_length=24, default="")
    bank_account = fields.CharField(max_length=64)
    line_key = fields.CharField(max_length=160)
    bank_ref = fields.CharField(max_length=140, default="")
    forms = fields.CharField(max_length=64)
    amount = fields.BigIntField()
    currency = fields.CharField(max_length=3)
    booked_on = fields.CharField(max_length=10)
    payer_name = fields.CharField(max_length=200, default="")
    payer_account = fields.CharField(max_length=64, default="")
    text = fields.CharField(max_length=2000, default="")
    quoted = fields.CharField(max_length=40, default="")
    note = fields.CharField(max_length=500, default="")
    payment_id = fields.UUIDField(null=True)
    duplicate_of_id = fields.UUIDField(null=True)
    folded = fields.CharField(max_length=160, null=True)
    balance_after = fields.BigIntField(null=True)

    class Meta:
        table = "bank_credit"

    @property
    def reference(self) -> str:
        """What the settlement is called that books it."""
        return f"{self.bank_account}:{self.line_key}"

    @property
    def is_booked(self) -> bool:
        """Whether its money is booked."""
        return self.state in (BankCreditState.BOOKED, BankCreditState.ASSIGNED)

    @property
    def day(self) -> date:
        """When the bank booked it."""
        return date.fromisoformat(self.booked_on)

    def as_event(self, payment: Payment) -> GatewayEvent:
        """This line as what the bank says of a payment."""
        kind = EventKind.CAPTURED if self.kind == BankCreditKind.CREDIT else EventKind.REFUNDED
        return GatewayEvent(
            event_id=self.reference,
            kind=kind,
            payment=payment.public_id,
            reference=self.reference,
            amount=Money(self.amount, self.currency),
        )


# ------------------------------------------------------------------------------- reading

#: Each once, a step in the index for each.
_NAMES: Final = """
WITH RECURSIVE one (name) AS (
    SELECT MIN(bank_account) FROM bank_credit
    UNION ALL
    SELECT (SELECT MIN(b.bank_account) FROM bank_credit b WHERE b.bank_account > one.name)
      FROM one WHERE one.name IS NOT NULL
) SELECT name FROM one WHERE name IS NOT NULL
"""


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, BankCredit]:
    """These lines, by id; one statement. Unknown ids are left out."""
    return await sql.by_ids(BankCredit, ids)


async def read(line_id: UUID) -> BankCredit | None:
    """The line, without a check of who asks; None if it does not exist."""
    return (await by_ids([line_id])).get(line_id)


async def visible(
    line_id: UUID | None,
    by: Actor,
    find: Callable[[UUID], Awaitable[BankCredit | None]] = read,
) -> BankCredit | None:
    """The line, if it is there. Raises Forbidden for all but staff."""
    by.require_staff()
    return None if line_id is None else await find(line_id)


async def of_line(
    names: Sequence[str], kind: BankCreditKind | str, line_key: str
) -> BankCredit | None:
    """The line with this key on the account that has these `names`, or None."""
    rows = await sql.records(
        BankCredit,
        "SELECT * FROM bank_credit WHERE kind = $1 AND line_key = $2"
        f" AND bank_account IN ({sql.placeholders(len(names), 3)}) ORDER BY id",
        str(kind),
        line_key,
        *names,
    )
    return rows[0] if rows else None


async def names_of(bank_account: str) -> list[str]:
    """What the account has been called in lines that have come, and what it is called now."""
    rows = await sql.fetch(_NAMES)
    ours = provider().own_accounts
    kept = [row["name"] for row in rows if same_account(row["name"], bank_account, ours)]
    return [bank_account, *(name for name in kept if name != bank_account)]


async def page(states: Sequence[str] | None, request: PageRequest, by: Actor) -> Page[BankCredit]:
    """Lines in these states (in all where None), newest first. Staff only."""
    by.require_staff()
    rows = Rows("1 = 1")
    if states is not None:
        where = f"state IN ({sql.placeholders(len(states))})" if states else "1 = 0"
        rows = Rows(where, [*states])
    return await fetch_page(BankCredit, rows, request, by_id(BankCredit.PREFIX))
