"""Account settings: what clients, partners and staff change of an account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final
from uuid import UUID

from typing_extensions import override

from models.access.identity import Actor, Role
from models.accounts.account import Account, by_ids, search_key
from models.accounts.billing import Billing
from models.accounts.external import External, belonging
from models.errors import Forbidden, Invalid, NotFound
from models.journal.command import Command, Invocation
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.ledger.opening import every_book
from models.locale_tag import language_tag
from models.text import clean_text


@dataclass(frozen=True, slots=True)
class _Asked:
    """The columns that change, and what a partner calls and keeps beside the account."""

    columns: dict[str, object]
    external: External


@dataclass(frozen=True, slots=True)
class _Found:
    """The account, and all columns that change."""

    account: Account
    columns: dict[str, object]


@dataclass(frozen=True, slots=True)
class UpdateAccount(Command[_Found, Account, _Asked]):
    """Change an account's settings: clients their own, staff anybody's, and partners with
    `accounts:write` those that their key reaches; `spending_frozen` is for staff alone, `external`
    not for clients.

    `changes` holds those of `name`, `locale`, `auto_apply_credit`, `billing` (whole, as JSON) and
    `spending_frozen` that were given. Raises NotFound at `account_id` or `partner`, Forbidden,
    Invalid at the setting.
    """

    mutation: ClassVar[str] = "updateAccount"

    account_id: UUID | None
    changes: Mapping[str, object]
    external: External = field(default_factory=External)

    @override
    def require(self, by: Actor) -> None:
        is_for_staff = "spending_frozen" in self.changes and not by.is_staff
        is_for_others = bool(self.external) and by.role is Role.CLIENT
        if is_for_staff or is_for_others:
            raise Forbidden("staff")
        if by.role is Role.PARTNER:
            by.require_scope("accounts:write")
        self._target(by)

    def _target(self, by: Actor) -> UUID:
        if by.role is Role.PARTNER:
            return by.account_meant(self.account_id)
        return self.account_id or by.own_account()

    @override
    async def prepare(self, asked: Invocation) -> _Asked:
        return _Asked(_columns(self.changes), self.external.checked())

    @override
    async def read(self, asked: Invocation[_Asked], journal: Journal) -> _Found:
        found = await self._in_sight(asked.by)
        columns = asked.prepared.columns
        if columns.keys() & _SWITCHES:
            await every_book(found.id)
        present = belonging(found.id, found.partner_id, found.external_id)
        external = await asked.prepared.external.columns(asked.by, present)
        return _Found(journal.watch(found), columns | external)

    async def _in_sight(self, by: Actor) -> Account:
        target = self._target(by)
        found = (await by_ids([target])).get(target) if by.sees(target) else None
        if found is None:
            raise NotFound("account_id")
        return found

    @override
    def decide(self, found: _Found, asked: Invocation[_Asked], journal: Journal) -> Account:
        account, columns = found.account, found.columns
        if not columns:
            return account
        account.put(**columns)
        if "name" in columns:
            account.put(search_key=search_key(account.name, account.email))
        journal.tell(FactKind.ACCOUNT_UPDATED, account.id, account.id)
        told = {name: str(v) if isinstance(v, UUID) else v for name, v in columns.items()}
        journal.log_person(asked.by, "account.update", account.public_id, **told)
        return account

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
