"""Account settings: what clients and staff change of an account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import UUID

from typing_extensions import override

from models.access.identity import Actor, Role
from models.accounts.account import Account, by_ids, search_key
from models.accounts.billing import Billing
from models.errors import Forbidden, Invalid, NotFound
from models.journal.command import Command, Invocation
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.ledger.opening import every_book
from models.locale_tag import language_tag
from models.text import clean_text


@dataclass(frozen=True, slots=True)
class UpdateAccount(Command[Account, Account, dict[str, object]]):
    """Change an account's settings: clients their own (not `spending_frozen`), staff anybody's.

    `changes` holds those of `name`, `locale`, `auto_apply_credit`, `billing` (whole, as JSON) and
    `spending_frozen` that were given. Raises NotFound at `account_id`, Forbidden, Invalid at the
    setting.
    """

    mutation: ClassVar[str] = "updateAccount"

    account_id: UUID | None
    changes: Mapping[str, object]

    @override
    def require(self, by: Actor) -> None:
        is_for_staff = "spending_frozen" in self.changes and not by.is_staff
        if by.role is Role.PARTNER or is_for_staff:
            raise Forbidden("staff")
        self._target(by)

    def _target(self, by: Actor) -> UUID:
        return self.account_id or by.own_account()

    @override
    async def prepare(self, asked: Invocation) -> dict[str, object]:
        """The columns that change."""
        return _columns(self.changes)

    @override
    async def read(self, asked: Invocation[dict[str, object]], journal: Journal) -> Account:
        found = await self._in_sight(asked.by)
        if asked.prepared.keys() & _SWITCHES:
            await every_book(found.id)
        return journal.watch(found)

    async def _in_sight(self, by: Actor) -> Account:
        target = self._target(by)
        found = (await by_ids([target])).get(target) if by.sees(target) else None
        if found is None:
            raise NotFound("account_id")
        return found

    @override
    def decide(
        self, found: Account, asked: Invocation[dict[str, object]], journal: Journal
    ) -> Account:
        columns = asked.prepared
        if not columns:
            return found
        found.put(**columns)
        if "name" in columns:
            found.put(search_key=search_key(found.name, found.email))
        journal.tell(FactKind.ACCOUNT_UPDATED, found.id, found.id)
        journal.log_person(asked.by, "account.update", found.public_id, **columns)
        return found

    @override
    async def recall(self, made: Made, asked: Invocation) -> Account:
        return await self._in_sight(asked.by)


#: What is decided by under a book's lock, and so changes under it alone.
_SWITCHES: Final = frozenset({"frozen", "auto_apply_credit"})


def _columns(changes: Mapping[str, object]) -> dict[str, object]:
    columns: dict[str, object] = {}
    for name, value in changes.items():
        if value is None:
            raise Invalid(name, problem="null")
        match name:
            case "name":
                columns["name"] = clean_text(str(value), "name", maximum=200)
            case "locale":
                columns["locale"] = language_tag(str(value), "locale")
            case "auto_apply_credit":
                columns["auto_apply_credit"] = bool(value)
            case "billing":
                columns["billing"] = Billing.of(value).checked().json()
            case "spending_frozen":
                columns["frozen"] = bool(value)
            case _:
                raise AssertionError(name)
    return columns
