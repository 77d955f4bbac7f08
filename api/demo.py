"""Demo mode's data: a made-up provider's clients with a little history, and keys to try it with.

The history is made by the domain, as the API makes it. Every step has an idempotency key, so a fill
that was cut off is taken up where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

from api.gateways.sandbox import charges
from api.gateways.sandbox.actions import ACTIONS, Asked, perform
from api.gateways.sandbox.delivery import Delivery
from api.gateways.sandbox.gateway import SandboxGateway
from api.settings.settings import SettingsError
from models.access import session
from models.access.api_key import create_key
from models.access.identity import SCOPES, Actor
from models.access.user import User, create_staff
from models.accounts import account
from models.accounts.billing import Billing
from models.accounts.create import CreateAccount
from models.accounts.settings import UpdateAccount
from models.bank.by_hand import RecordBankTransfer
from models.checkout.pay import PayInvoice
from models.clock import now
from models.credit.issue_vouchers import IssueVouchers
from models.credit.redemption import RedeemVoucher
from models.invoices.deposit import AddFunds
from models.invoices.invoice import Invoice
from models.invoices.order import CreateOrder, OrderLine
from models.journal.command import run
from models.provider.provider import provider

if TYPE_CHECKING:
    from uuid import UUID

    from api.settings.settings import Settings
    from models.payments.payment import Payment

#: Everybody's password in the demo.
PASSWORD: Final = "kaze-demo-2026"  # noqa: S105 - of people who do not exist
STAFF_EMAIL: Final = "staff@kaze.example"
PARTNER: Final = "Kaze order desk"
VOUCHERS_AT_ONCE: Final = 20

_BONUS_DAYS: Final = 90
_TAX: Final = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class DemoClient:
    """One client: amounts in major units of the currency, as decimals in text.

    They deposit, pay an order with the credit, redeem a voucher, and have another order open.
    """

    name: str
    email: str
    locale: str
    currency: str
    gateway: str
    deposit: str
    bonus: str
    voucher: str
    paid: tuple[str, str]
    due: tuple[str, str]
    billing: Billing


CLIENTS: Final = (
    DemoClient(
        name="Mina Brown",
        email="mina@client.example",
        locale="en",
        currency="USD",
        gateway="sandbox",
        deposit="200.00",
        bonus="15.00",
        voucher="10.00",
        paid=("Web hosting Business, 1 year", "119.40"),
        due=("Domain mina-brown.example, 2 years", "31.90"),
        billing=Billing(
            address=("14 Saxon Way", "Leeds LS1 4DY"),
            postcode="LS1 4DY",
            city="Leeds",
            country="GB",
        ),
    ),
    DemoClient(
        name="株式会社はるかぜ",
        email="haruka@client.example",
        locale="ja",
        currency="JPY",
        gateway="bank-transfer",
        deposit="30000",
        bonus="1500",
        voucher="1000",
        paid=("レンタルサーバー スタンダード 12か月", "13200"),
        due=("SSLサーバー証明書 1年", "4800"),
        billing=Billing(
            company=True,
            address=("〒530-0001 大阪府大阪市北区梅田1-1-3",),
            postcode="530-0001",
            city="大阪市",
            country="JP",
        ),
    ),
    DemoClient(
        name="Jonas Weber GmbH",
        email="jonas@client.example",
        locale="de",
        currency="EUR",
        gateway="bank-transfer",
        deposit="150.00",
        bonus="12.50",
        voucher="10.00",
        paid=("Virtual server M, 6 months", "83.94"),
        due=("Backup storage 500 GB, 6 months", "29.70"),
        billing=Billing(
            company=True,
            address=("Königstraße 12", "70173 Stuttgart"),
            postcode="70173",
            city="Stuttgart",
            country="DE",
            vat_id="DE136695976",
        ),
    ),
)


async def fill(settings: Settings) -> bool:
    """Fill an empty database; whether there was anything to do.

    Raises SettingsError for a database that has other people's accounts in it.
    """
    found = await _users()
    if CLIENTS[-1].email in found and await _is_whole(found):
        return False
    if STAFF_EMAIL not in found:
        if await User.exists():
            raise SettingsError(
                f"The database {settings.database_name} already has users, and the demo needs an "
                "empty one. Set DATABASE_URL to another."
            )
        await create_staff(STAFF_EMAIL, PASSWORD, name="Kaze staff")
    by = (await _users())[STAFF_EMAIL].actor()
    for client in CLIENTS:
        await _begin(client, by)
    return True


async def sign_ins(settings: Settings) -> dict[str, Any]:
    """Fresh tokens, a fresh partner's key and fresh vouchers, for a database that is filled."""
    users = await _users()
    by = users[STAFF_EMAIL].actor()
    scopes = list(SCOPES)
    _, key = await create_key(PARTNER, scopes)
    vouchers = {client.currency: await _vouchers(client, by) for client in CLIENTS}
    return {
        "url": settings.public_url,
        "clients": [await _client(users[client.email], client) for client in CLIENTS],
        "staff": await _credentials(users[STAFF_EMAIL]),
        "partner": {"key": key, "scopes": scopes},
        "vouchers": [code for codes in vouchers.values() for code in codes],
        "vouchersByCurrency": vouchers,
    }


async def _users() -> Mapping[str, User]:
    emails = [STAFF_EMAIL, *(client.email for client in CLIENTS)]
    return {cast("str", user.email): user for user in await User.filter(email__in=emails)}


async def _is_whole(found: Mapping[str, User]) -> bool:
    """Whether the last step of the last client was taken."""
    last = CLIENTS[-1]
    account_id = found[last.email].account_id
    return await Invoice.exists(account_id=account_id, reference=_reference(last, "due"))


# ------------------------------------------------------------------------------- history


async def _begin(client: DemoClient, by: Actor) -> None:
    made = await run(
        CreateAccount(
            name=client.name,
            email=client.email,
            password=PASSWORD,
            currency=client.currency,
            locale=client.locale,
        ),
        by,
        _key(client, "account"),
    )
    own = (await User.get(email=client.email)).actor()
    details = {"billing": client.billing.json()}
    await run(UpdateAccount(None, details), own, _key(client, "billing"))
    await _deposit(client, own, by)
    await _order(client, made.id, client.paid, by, "paid")
    await _bonus(client, own, by, made.created_at + timedelta(days=_BONUS_DAYS))
    await _order(client, made.id, client.due, by, "due")


async def _deposit(client: DemoClient, own: Actor, by: Actor) -> None:
    amount, version = Decimal(client.deposit), provider().policy.version
    invoice = await run(
        AddFunds(amount, client.currency, client.gateway, version), own, _key(client, "deposit")
    )
    paid = await run(
        PayInvoice(
            invoice.id,
            use_credit=False,
            credit_limit=None,
            gateway=None,
            return_url=None,
        ),
        own,
        _key(client, "deposit-payment"),
    )
    assert paid.payment is not None
    if client.gateway == SandboxGateway.code:
        await _approve(paid.payment)
    else:
        await _transfer(client, paid.payment, by)


async def _approve(payment: Payment) -> None:
    """What the payer's click does."""
    charge = await charges.by_payment(payment.public_id)
    gateway = provider().gateways[SandboxGateway.code]
    assert charge is not None
    assert isinstance(gateway, SandboxGateway)
    action = ACTIONS["approve"]
    if action.when(charge):
        charge = await charges.change(charge, lambda now: perform(action, now, Asked()))
    await Delivery(gateway).deliver(charge)


async def _transfer(client: DemoClient, payment: Payment, by: Actor) -> None:
    """What the bank's statement says."""
    await run(
        RecordBankTransfer(
            payment.reference,
            Decimal(client.deposit),
            client.currency,
            bank_account=f"DEMO{client.currency}",
            bank_transaction=f"demo-{client.currency}-1",
            received_at=None,
        ),
        by,
        _key(client, "deposit-transfer"),
    )


async def _order(
    client: DemoClient, account_id: UUID, line: tuple[str, str], by: Actor, step: str
) -> Invoice:
    description, price = line
    return await run(
        CreateOrder(
            account_id,
            client.currency,
            [OrderLine(description, Decimal(1), Decimal(price), _TAX)],
            due_at=None,
            apply_credit=step == "paid",
            reference=_reference(client, step),
        ),
        by,
        _key(client, step),
    )


async def _bonus(client: DemoClient, own: Actor, by: Actor, expires_at: datetime) -> None:
    codes = await run(
        IssueVouchers(
            1,
            Decimal(client.bonus),
            client.currency,
            max_redemptions=1,
            expires_at=None,
            credit_expires_at=expires_at,
            note="Welcome bonus",
        ),
        by,
        _key(client, "bonus"),
    )
    await run(RedeemVoucher.of(codes[0]), own, _key(client, "bonus-redeemed"))


def _reference(client: DemoClient, step: str) -> str:
    return f"DEMO-{client.currency}-{step.upper()}"


def _key(client: DemoClient, step: str) -> str:
    return f"demo-{client.currency}-{step}"


# ------------------------------------------------------------------------------- what to try


async def _client(user: User, client: DemoClient) -> dict[str, str]:
    assert user.account_id is not None
    return {
        **await _credentials(user),
        "accountId": account.Account(id=user.account_id).public_id,
        "currency": client.currency,
    }


async def _credentials(user: User) -> dict[str, str]:
    # As if they had just signed in, for as long as they last: who tries the API has a token only.
    until = now() + provider().session_lifetime
    _, token = await session.open_session(user, confirmed_at=until)
    return {"email": cast("str", user.email), "password": PASSWORD, "token": token}


async def _vouchers(client: DemoClient, by: Actor) -> list[str]:
    return await run(
        IssueVouchers(
            VOUCHERS_AT_ONCE,
            Decimal(client.voucher),
            client.currency,
            max_redemptions=1,
            expires_at=None,
            credit_expires_at=None,
            note="Demo voucher",
        ),
        by,
        f"demo-vouchers-{uuid4().hex}",
    )
