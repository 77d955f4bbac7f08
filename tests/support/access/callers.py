"""A provider's server with every kind of caller, in this process: real HTTP on a real database."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import patch

import httpx
from asgi_lifespan import LifespanManager
from tortoise import Tortoise

from api.app import create_app
from api.bank_files import read as read_statement
from api.gateways.sandbox import charges
from api.gateways.sandbox.charge import Charge
from api.gateways.sandbox.delivery import Delivery
from api.gateways.sandbox.gateway import SandboxGateway
from api.pdf.renderer import PdfRenderer, RenderedPdf
from api.settings.defaults import demo_bank_accounts
from api.settings.settings import Settings, load_settings
from models.access import password, session
from models.access.api_key import ApiKey, create_key, revoke_key
from models.access.credential import actor_of_credential
from models.access.identity import SCOPES, MemberRole
from models.access.session import Session
from models.access.user import User, create_staff
from models.accounts.create import CreateAccount
from models.accounts.invitation import InviteMember
from models.bank import import_statement
from models.bank.assign import AssignBankCredit
from models.bank.by_hand import RecordBankTransfer
from models.checkout.pay import PayInvoice
from models.clock import now
from models.credit.adjustment import AdjustCredit
from models.credit.issue_vouchers import IssueVouchers
from models.credit.redemption import RedeemVoucher
from models.credit.reserve import ReserveCredit
from models.db import sql
from models.db.record import public_id
from models.gateway import EventKind, GatewayEvent
from models.invoices import order
from models.invoices.capture_hold import CaptureHold
from models.invoices.deposit import AddFunds
from models.invoices.order import CreateOrder
from models.journal import feed
from models.journal.command import run
from models.partners import delivery
from models.partners.manage import CreateWebhookEndpoint
from models.payments import follow_up, inbox
from models.payments.ask_refund import RefundPayment
from models.provider.provider import provider
from tests.support.application import SECRET
from tests.support.bank.files import Day, Transfer
from tests.support.identities import CHEAP_HASHER, PASSWORD
from tests.support.providers import key
from tests.support.small_endpoint import serving
from tests.support.webhooks import Names, any_document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from models.access.identity import Actor
    from models.accounts.account import Account
    from models.bank.line import BankCredit
    from models.credit.reservation import Reservation
    from models.invoices.invoice import Invoice
    from models.ledger.credit_transaction import CreditTransaction
    from models.partners.endpoint import WebhookEndpoint
    from models.payments.payment import Payment
    from models.payments.refund import Refund

PORTAL: Final = "https://portal.example.com"
PDF: Final = b"%PDF-1.7 of a test"
COOKIE: Final = "account_credit_session"

#: Who is somebody, or nobody. The partners' keys are for Ada's account, with the scope that names
#: them; `partner` has all scopes, and `stranger` has all scopes for another account.
CALLERS: Final = (
    *("nobody", "cookie", "client", "other"),
    *("partner", "accounts", "credit", "invoices", "write", "stranger", "staff"),
)
#: Who was somebody once, or never.
DEAD: Final = ("expired", "signed_out", "revoked_key", "expired_key", "disabled", "made_up")

#: What only those may read who see Ada's account.
NAME: Final = "Ada Q. Hidden"
EMAIL: Final = "ada.hidden@client.example"
LINE: Final = "A hidden thing"
REASON: Final = "a hidden reason"

Headers = dict[str, str]
Body = dict[str, Any]


@dataclass
class PopulatedServer:
    """Where the server is, who asks, and what belongs to Ada."""

    url: str
    http: httpx.AsyncClient
    settings: Settings
    callers: dict[str, Headers] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    async def post(
        self, document: str, caller: str = "nobody", variables: object = None, **headers: str
    ) -> httpx.Response:
        """The answer to an operation."""
        given = {**self.callers.get(caller, {}), **headers}
        asked = {"query": document, "variables": variables}
        return await self.http.post("/graphql", json=asked, headers=given)

    async def data(self, document: str, caller: str, **variables: object) -> Body:
        """The data of an operation that has no errors."""
        answer: Body = (await self.post(document, caller, variables)).json()
        assert "errors" not in answer, answer
        data: Body = answer["data"]
        return data

    def actor(self, who: str) -> Actor:
        return self.users[who].actor()

    @property
    def account_id(self) -> Any:
        return self.users["client"].account_id

    async def signed_in(self, who: str) -> Headers:
        """A new session of that user's."""
        _, token = await session.open_session(self.users[who])
        return bearer(token)

    # ------------------------------------------------------------------- what there is to touch

    async def an_order(self, price: str = "10.00", **wish: Any) -> Invoice:
        """An unpaid order of Ada's."""
        line = order.OrderLine(LINE, Decimal(1), Decimal(price), Decimal(0))
        how = {"due_at": None, "apply_credit": False, "reference": "HIDDEN-1", **wish}
        by = self.actor("staff")
        return await run(CreateOrder(self.account_id, "USD", [line], **how), by, key())

    async def a_hold(self, amount: int = 5) -> Reservation:
        """Credit of Ada's that is put by for an order, for a day."""
        until = now() + timedelta(days=1)
        asked = ReserveCredit(self.account_id, Decimal(amount), "USD", until, "HIDDEN-1", LINE)
        return await run(asked, self.actor("staff"), key())

    async def a_captured_hold(self) -> Reservation:
        """The same, of which a part has been billed."""
        asked = CaptureHold((await self.a_hold(20)).id, Decimal(5), keep_rest=True)
        return (await run(asked, self.actor("staff"), key())).hold

    async def a_key(self) -> str:
        """An API key for Ada's account, by its id."""
        key, _ = await create_key("a partner", ["accounts:read"], [self.account_id], name=NAME)
        return key.public_id

    async def a_payment(self, gateway: str = "sandbox") -> Payment:
        """A payment of Ada's that waits for her."""
        by, version = self.actor("client"), provider().policy.version
        bill = await run(AddFunds(Decimal(25), "USD", gateway, version), by, key())
        paid = await run(
            PayInvoice(
                bill.id,
                use_credit=False,
                credit_limit=None,
                gateway=None,
                return_url=None,
            ),
            by,
            key(),
        )
        assert paid.payment is not None
        return paid.payment

    async def a_processing_payment(self) -> Payment:
        """A payment of Ada's that nobody but staff can end."""
        payment = await self.a_payment()
        told = GatewayEvent(key(), EventKind.PROCESSING, payment.public_id)
        await inbox.take_in(payment.gateway, [told])
        return payment

    async def a_deposit(self) -> Payment:
        """Money that has come in from Ada."""
        payment = await self.a_payment()
        charge = await charges.by_payment(payment.public_id)
        assert charge is not None
        await charges.change(charge, Charge.capture)
        return await follow_up.recheck(payment.id, by=self.actor("client"))

    async def a_refund(self) -> Refund:
        """What staff have given back to her."""
        by, deposit = self.actor("staff"), await self.a_deposit()
        return await run(RefundPayment(deposit.id, Decimal(1), "USD", REASON), by, key())

    async def a_bank_credit(self, text: str = "no reference", ref: str | None = None) -> BankCredit:
        """A line of a statement of ours, with what its payer wrote; another one each time."""
        line = Transfer(2500, text, ref=key() if ref is None else ref, payer=NAME)
        day = Day((line,), id=key(), account="000123456789", currency="USD")
        (statement,) = read_statement(day.camt053(), [day.account])
        (taken,) = (await import_statement.import_statement(statement)).taken
        assert taken.record is not None
        return taken.record

    async def a_bank_credit_told_twice(self) -> BankCredit:
        """The same once more, which staff have taken for another."""
        waiting = await self.a_payment("bank-transfer")
        await self.a_bank_credit(waiting.reference)
        again = await self.a_bank_credit(waiting.reference, ref="")
        asked = AssignBankCredit(again.id, reference=waiting.reference)
        return await run(asked, self.actor("staff"), key())

    async def a_voucher(self, redemptions: int = 1) -> str:
        (code,) = await run(
            IssueVouchers(
                1,
                Decimal(5),
                "USD",
                max_redemptions=redemptions,
                expires_at=None,
                credit_expires_at=None,
                note=None,
            ),
            self.actor("staff"),
            key(),
        )
        return code

    async def a_session(self, who: str) -> str:
        """The id of another session of that user's."""
        actor, _ = await session.open_session(self.users[who])
        assert actor.session_id is not None
        return public_id("ses", actor.session_id)

    async def an_endpoint(self) -> WebhookEndpoint:
        """A webhook endpoint of the partner whose key is for Ada's account, with all scopes."""
        by = await actor_of_credential(_token(self.callers["partner"]), "192.0.2.1")
        assert by is not None
        url = f"https://hooks.example.com/{NAME.partition(' ')[0]}"
        asked = CreateWebhookEndpoint(url, ("*",), None, any_document, Names())
        return (await run(asked, by, key())).endpoint

    async def a_member(self) -> str:
        """The id of somebody who was invited to Ada's account."""
        address = f"{key()}@client.example"
        asked = InviteMember(self.account_id, address, MemberRole.VIEWER)
        return (await run(asked, self.actor("staff"), key())).public_id

    # ------------------------------------------------------------------- nothing has changed

    async def digest(self) -> str:
        """Differs whenever anything was stored, but for when credentials were last used."""
        if isinstance(sandbox_ := provider().gateways.get("sandbox"), SandboxGateway):
            await Delivery(sandbox_).deliver_due()  # or it comes while something else is tried
        while await feed.publish():
            pass  # as well
        found = hashlib.sha256()
        for model in Tortoise.apps["models"].values():
            table = model._meta.db_table
            rows = [_lasting(row) for row in await sql.fetch(f'SELECT * FROM "{table}"')]
            found.update(f"{table}{sorted(rows)}".encode())
        return found.hexdigest()

    def shows_ada(self, text: str) -> bool:
        """Whether an answer tells of Ada or of what is hers."""
        secrets = {NAME, EMAIL, LINE, REASON, "HIDDEN-1", self.account_id.hex, *self.ids.values()}
        return any(secret in text for secret in secrets)


def _lasting(row: sql.Row) -> str:
    kept = {name: value for name, value in row.items() if name not in {"seen_at", "used_at"}}
    return repr(sorted(kept.items()))


def bearer(token: str) -> Headers:
    return {"authorization": f"Bearer {token}"}


@asynccontextmanager
async def open_populated_server(database_url: str, **more: Any) -> AsyncIterator[PopulatedServer]:
    """The server with everybody and something of everything. No PDF is really made."""
    given: dict[str, Any] = {
        "secret_key": SECRET,
        "account_credit_sandbox": True,
        "staff_second_factor": "optional",
        "webhook_endpoints_max": 50,
        "embedded_worker": False,
        "bank_accounts": demo_bank_accounts(),
        "allowed_origins": PORTAL,
    }
    settings = load_settings(database_url=database_url, **{**given, **more})
    with (
        patch.object(password, "hasher", CHEAP_HASHER),
        patch.object(PdfRenderer, "start", lambda _self: None),
        patch.object(PdfRenderer, "render", _render),
    ):
        async with (
            LifespanManager(create_app(settings)) as manager,
            serving(cast("Any", manager.app)) as address,
            httpx.AsyncClient(base_url=f"http://{address}") as http,
        ):
            populated = PopulatedServer(f"http://{address}", http, settings)
            await _populate(populated)
            yield populated


async def _render(_self: PdfRenderer, _document: object) -> RenderedPdf:
    return RenderedPdf(PDF, '"etag-of-a-test"')


# ------------------------------------------------------------------------------- the people


async def _populate(populated: PopulatedServer) -> None:
    populated.users["staff"] = await create_staff("staff@kaze.example", PASSWORD)
    ada = await _client(populated, "client", NAME, EMAIL)
    bo = await _client(populated, "other", "Bo", "bo@client.example")
    await _client(populated, "disabled", "Cy", "cy@client.example")
    for who in ("client", "other", "staff"):
        populated.callers[who] = await populated.signed_in(who)
    populated.callers["nobody"] = {}
    partners = {"partner": SCOPES, "accounts": ("accounts:read",), "credit": ("credit:read",)}
    partners |= {"invoices": ("invoices:read",), "write": ("invoices:write",)}
    for who, scopes in partners.items():
        populated.callers[who] = bearer(await _key(who, scopes, ada))
    populated.callers["stranger"] = bearer(await _key("stranger", SCOPES, bo))
    await _bury(populated, ada)
    await _furnish(populated, ada)


async def _client(populated: PopulatedServer, who: str, name: str, email: str) -> Account:
    made = await run(
        CreateAccount(
            name=name,
            email=email,
            password=PASSWORD,
            currency="USD",
            locale="en",
        ),
        populated.actor("staff"),
        key(),
    )
    populated.users[who] = await User.get(email=email)
    return made


async def _key(partner: str, scopes: Iterable[str], reach: Account) -> str:
    return (await create_key(partner, scopes, [reach.id]))[1]


async def _bury(populated: PopulatedServer, ada: Account) -> None:
    """Credentials that were good once."""
    expired, out = await populated.signed_in("client"), await populated.signed_in("client")
    disabled = await populated.signed_in("disabled")
    ago = now() - timedelta(seconds=1)
    await Session.filter(token_hash=_hash_of(expired)).update(expires_at=ago)
    await Session.filter(token_hash=_hash_of(out)).update(revoked_at=ago)
    await User.filter(id=populated.users["disabled"].id).update(disabled_at=ago)
    revoked, revoked_token = await create_key("partner", SCOPES, [ada.id])
    await revoke_key(revoked.id)
    old, old_token = await create_key("partner", SCOPES, [ada.id])
    await ApiKey.filter(id=old.id).update(expires_at=ago)
    made_up = populated.callers["client"]["authorization"][:-4] + "AAAA"
    populated.callers |= {
        "expired": expired,
        "signed_out": out,
        "disabled": disabled,
        "revoked_key": bearer(revoked_token),
        "expired_key": bearer(old_token),
        "made_up": {"authorization": made_up},
        "cookie": {"cookie": f"{COOKIE}={_token(expired)}"},
    }


def _token(headers: Headers) -> str:
    return headers["authorization"].removeprefix("Bearer ")


def _hash_of(headers: Headers) -> str:
    return hashlib.sha256(_token(headers).encode()).hexdigest()


async def _furnish(populated: PopulatedServer, ada: Account) -> None:
    """Something of every type, of Ada's; and an order of the other client's."""
    by, endpoint = populated.actor("staff"), await populated.an_endpoint()
    given = await run(AdjustCredit(ada.id, Decimal(500), "USD", REASON), by, key())
    granted = await run(
        RedeemVoucher.of(await populated.a_voucher()), populated.actor("client"), key()
    )
    await populated.an_order(apply_credit=True)
    transfer = await populated.a_payment("bank-transfer")
    await book(populated, transfer)
    offered = "sandbox" if populated.settings.sandbox else "bank-transfer"
    bill, waiting = await populated.an_order(), await populated.a_payment(offered)
    line = order.OrderLine("Hosting", Decimal(1), Decimal(10), Decimal(0))
    bo = populated.users["other"].account_id
    assert bo is not None
    how: dict[str, Any] = {"due_at": None, "apply_credit": False, "reference": None}
    await run(CreateOrder(bo, "USD", [line], **how), by, key())
    populated.ids = {
        "event": await _event_of(bill),
        "account": ada.public_id,
        "api_key": await populated.a_key(),
        "balance": f"{public_id('bal', ada.id)}_USD",
        "line": given.public_id,
        "hold": (await populated.a_captured_hold()).public_id,
        "audit_entry": await last_entry(ada),
        "grant": await grant_of(granted),
        "invoice": bill.public_id,
        "number": bill.number,
        "payment": waiting.public_id,
        "funds": public_id("inv", waiting.invoice_id),
        "deposit": transfer.public_id,
        "bank_credit": (await populated.a_bank_credit_told_twice()).public_id,
        "webhook_endpoint": endpoint.public_id,
        "webhook_delivery": await _delivery_of(bill),
        "member": public_id("mem", populated.users["client"].id),
        "session": await populated.a_session("client"),
    }
    if populated.settings.sandbox:
        refund = await populated.a_refund()
        populated.ids |= {
            "refund": refund.public_id,
            "refunded": public_id("pay", refund.payment_id),
        }


async def _delivery_of(bill: Invoice) -> str:
    """What the partner is told of its issue."""
    statement = "SELECT d.id FROM webhook_delivery d JOIN event e ON e.id = d.event_id"
    where = "WHERE e.subject_id = $1 AND e.kind = 'invoice.issued'"
    [row] = await sql.fetch(f"{statement} {where}", bill.id)
    return public_id("whd", row["id"])


async def _event_of(bill: Invoice) -> str:
    """The event of its issue, which is published."""
    while await feed.publish(delivery.enqueue):
        pass
    statement = "SELECT id FROM event WHERE subject_id = $1 AND kind = 'invoice.issued'"
    [row] = await sql.fetch(statement, bill.id)
    return public_id("evt", row["id"])


async def last_entry(ada: Account) -> str:
    """The id of an entry of the audit log, of the account's."""
    rows = await sql.fetch(
        "SELECT id FROM audit_entry WHERE account_id = $1 ORDER BY id LIMIT 1", ada.id
    )
    return public_id("log", rows[0]["id"])


async def grant_of(line: CreditTransaction) -> str:
    """The id of the promotional credit that a redemption gave."""
    rows = await sql.fetch("SELECT id FROM redemption WHERE credit_transaction_id = $1", line.id)
    return public_id("grt", rows[0]["id"])


async def book(populated: PopulatedServer, transfer: Payment) -> None:
    """The bank has reported the transfer."""
    await run(
        RecordBankTransfer(
            transfer.reference,
            Decimal(25),
            "USD",
            bank_account="DE89370400440532013000",
            bank_transaction=key(),
            received_at=None,
        ),
        populated.actor("staff"),
        key(),
    )


def cookie(populated: PopulatedServer) -> dict[str, str]:
    """What Ada's browser sends along, whoever's page asks."""
    token = populated.callers["client"]["authorization"].removeprefix("Bearer ")
    return {"cookie": f"{COOKIE}={token}"}


async def the_cookies(populated: PopulatedServer) -> list[str]:
    document = f'mutation {{ signIn(input: {{email: "{EMAIL}", password: "{PASSWORD}"}}) '
    answer = await populated.http.post("/graphql", json={"query": document + "{ token } }"})
    given = answer.headers.get_list("set-cookie")
    populated.http.cookies.clear()
    return [str(one) for one in given]
