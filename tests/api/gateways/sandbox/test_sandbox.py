from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from starlette.applications import Starlette

from api.gateways.sandbox import charges
from api.gateways.sandbox.checkout import Checkout
from api.gateways.sandbox.delivery import Delivery
from api.gateways.sandbox.gateway import SandboxGateway
from models.clock import now
from models.edge.sandbox_charge import SandboxCharge
from models.gateway import GatewayEvent, MessageRefused, Redirect
from models.money import Money
from models.payments import inbox
from tests.support.gateways.contract import order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from api.gateways.sandbox.charge import Charge
    from models.gateway import PaymentOrder

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("db")]

ORIGIN = "https://credit.example"
SHOP = "https://shop.example:8443/done?order=7&payment=forged#top"
SECRET = f"whsec_{base64.b64encode(b'a secret of 24 bytes ...').decode()}"
JSON = {"accept": "application/json"}


class Intake:
    """Stands in for the domain: remembers what it was told, or fails."""

    def __init__(self) -> None:
        self.events: list[GatewayEvent] = []
        self.problem: Exception | None = None

    async def take_in(self, gateway: str, events: Sequence[GatewayEvent]) -> None:
        assert gateway == "sandbox"
        if self.problem is not None:
            raise self.problem
        self.events += events

    @property
    def told(self) -> list[str]:
        return [event.kind.value for event in self.events]


@pytest.fixture
def intake(monkeypatch: pytest.MonkeyPatch) -> Intake:
    intake = Intake()
    monkeypatch.setattr(inbox, "take_in", intake.take_in)
    return intake


@pytest.fixture
def gateway() -> SandboxGateway:
    return SandboxGateway(ORIGIN, [SECRET], frozenset({"USD", "JPY"}))


@pytest.fixture
def delivery(gateway: SandboxGateway, intake: Intake) -> Delivery:  # noqa: ARG001 - it takes in
    return Delivery(gateway)


@pytest.fixture
async def http(gateway: SandboxGateway, delivery: Delivery) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=[*Checkout(gateway, delivery, ["https://shop.example:8443"]).routes()])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
        yield client


@pytest.fixture
def asked() -> PaymentOrder:
    return order(Money(2500, "USD"), return_url=SHOP)


@pytest.fixture
async def address(gateway: SandboxGateway, asked: PaymentOrder) -> str:
    return await address_of(gateway, asked)


async def address_of(gateway: SandboxGateway, asked: PaymentOrder) -> str:
    started = await gateway.start(asked)
    assert isinstance(started.action, Redirect)
    return started.action.url


async def press(
    http: httpx.AsyncClient, address: str, action: str, **form: str
) -> dict[str, object]:
    answer = await http.post(f"{address}/{action}", headers=JSON, data=form)
    assert answer.status_code == 200, answer.text
    summary: dict[str, object] = answer.json()
    return summary


# ------------------------------------------------------------------------------- in a browser


async def test_paying_is_told_before_the_browser_is_back_at_the_shop(
    http: httpx.AsyncClient, address: str, asked: PaymentOrder, intake: Intake
) -> None:
    page = await http.get(address)
    assert "INV-2026-000042" in page.text
    assert "25.00" in page.text
    answer = await http.post(f"{address}/approve", headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 303
    back = f"https://shop.example:8443/done?order=7&payment={asked.id}#top"
    assert answer.headers["location"] == back
    [event] = intake.events
    assert (event.payment, event.amount) == (asked.id, asked.amount)


async def test_without_a_return_url_the_page_itself_says_how_it_went(
    http: httpx.AsyncClient, gateway: SandboxGateway
) -> None:
    address = await address_of(gateway, order(Money(2500, "USD"), return_url=""))
    answer = await http.post(f"{address}/approve", follow_redirects=True)
    assert answer.url == address
    assert "Captured" in answer.text
    assert "You can close this page." in answer.text


async def test_the_pages_allow_no_script_and_forms_end_at_the_shop(
    http: httpx.AsyncClient, address: str
) -> None:
    for path in (address, f"{address}/3-d-secure", "/sandbox/"):
        page = await http.get(path)
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; form-action 'self'")
        assert "frame-ancestors 'none'" in policy
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["cache-control"] == "no-store"
        assert "<script" not in page.text
        assert " style=" not in page.text
    page = await http.get(address)
    assert (
        "form-action 'self' https://shop.example:8443;" in page.headers["content-security-policy"]
    )


async def test_a_return_url_cannot_change_the_policy(
    http: httpx.AsyncClient, gateway: SandboxGateway, address: str
) -> None:
    usual = (await http.get(address)).headers["content-security-policy"]
    for url in ("https://shop.example; script-src *", "https://shop.example'/", "http://[::1]:3/"):
        other = await address_of(gateway, order(Money(2500, "USD"), return_url=url))
        assert (await http.get(other)).headers["content-security-policy"] == usual


async def test_what_came_from_outside_is_escaped(
    http: httpx.AsyncClient, gateway: SandboxGateway
) -> None:
    url = 'https://shop.example/"><script>alert(1)</script>'
    address = await address_of(gateway, order(Money(2500, "USD"), return_url=url))
    assert "<script" not in (await http.get(address)).text


async def test_the_style_sheet_is_served_from_here(http: httpx.AsyncClient) -> None:
    answer = await http.get("/sandbox/style.css")
    assert answer.headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://credit.example.evil.example"},
        {"sec-fetch-site": "cross-site", "origin": ORIGIN},
    ],
)
async def test_another_site_cannot_press_a_button(
    http: httpx.AsyncClient, address: str, intake: Intake, headers: dict[str, str]
) -> None:
    answer = await http.post(f"{address}/approve", headers=headers)
    assert answer.status_code == 403
    assert intake.events == []
    assert (await http.get(address, headers=JSON)).json()["status"] == "OPEN"


@pytest.mark.parametrize("headers", [{"origin": ORIGIN}, {"sec-fetch-site": "none"}, {}])
async def test_the_page_itself_and_programs_can(
    http: httpx.AsyncClient, address: str, headers: dict[str, str]
) -> None:
    assert (await http.post(f"{address}/approve", headers=headers)).status_code == 303


async def test_unknown_payments_and_actions_are_not_found(
    http: httpx.AsyncClient, address: str, intake: Intake
) -> None:
    assert (await http.get("/sandbox/pay/unknown")).status_code == 404
    assert (await http.get(f"/sandbox/pay/{'é' * 300}")).status_code == 404
    assert (await http.get(f"{address}%00")).status_code == 404
    assert (await http.post("/sandbox/pay/unknown/approve")).status_code == 404
    assert (await http.post(f"{address}/bless")).status_code == 404
    assert (await http.get(f"{address}/approve")).status_code == 405
    assert intake.events == []


async def test_the_first_page_documents_every_action(http: httpx.AsyncClient) -> None:
    page = (await http.get("/sandbox/")).text
    for name in ("approve", "3-d-secure", "out-of-order", "capture-twice", "lost", "win-dispute"):
        assert f"<code>{name}</code>" in page


# ------------------------------------------------------------------------------- 3-D Secure


async def test_the_bank_asks_for_a_code(
    http: httpx.AsyncClient, address: str, intake: Intake
) -> None:
    page = await http.get(f"{address}/3-d-secure")
    assert "123456" in page.text
    wrong = await http.post(f"{address}/3-d-secure", data={"code": "654321"})
    assert wrong.status_code == 409
    assert "That isn&#39;t the code." in wrong.text
    assert 'aria-invalid="true"' in wrong.text
    assert intake.events == []
    right = await http.post(f"{address}/3-d-secure", data={"code": " 123456 "})
    assert right.status_code == 303
    assert intake.told == ["CAPTURED"]


async def test_authentication_can_fail(
    http: httpx.AsyncClient, address: str, intake: Intake
) -> None:
    assert (await press(http, address, "fail-authentication"))["status"] == "FAILED"
    assert intake.events[0].failure == "authentication_failed"


# ------------------------------------------------------------------------------- what it says


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("approve", ("CAPTURED", ["CAPTURED"])),
        ("3-d-secure", ("CAPTURED", ["CAPTURED"])),
        ("decline", ("FAILED", ["FAILED"])),
        ("abandon", ("OPEN", [])),
        ("expire", ("EXPIRED", ["EXPIRED"])),
        ("settle-later", ("PROCESSING", ["PROCESSING"])),
        ("duplicate", ("CAPTURED", ["CAPTURED"] * 3)),
        ("out-of-order", ("CAPTURED", ["CAPTURED", "PROCESSING", "FAILED"])),
        ("capture-twice", ("CAPTURED", ["CAPTURED", "CAPTURED"])),
        ("lost", ("CAPTURED", [])),
    ],
)
async def test_each_button_says_what_it_promises(
    http: httpx.AsyncClient,
    address: str,
    intake: Intake,
    action: str,
    said: tuple[str, list[str]],
) -> None:
    summary = await press(http, address, action)
    assert (summary["status"], intake.told) == said


async def test_a_duplicate_is_one_capture_under_two_ids(
    http: httpx.AsyncClient, address: str, intake: Intake
) -> None:
    await press(http, address, "duplicate")
    first, same, other = intake.events
    assert first.event_id == same.event_id != other.event_id
    assert len({event.reference for event in intake.events}) == 1


async def test_two_captures_have_two_ids(
    http: httpx.AsyncClient, address: str, intake: Intake
) -> None:
    await press(http, address, "capture-twice")
    assert len({event.reference for event in intake.events}) == 2


@pytest.mark.parametrize(
    ("button", "minor"),
    [
        (("capture-less", ""), 1250),
        (("capture-more", ""), 3751),
        (("capture-less", "10"), 1000),
        (("capture-more", " 99.99 "), 9999),
        (("approve", ""), 2500),
    ],
)
async def test_another_amount_can_be_captured(
    http: httpx.AsyncClient, address: str, intake: Intake, button: tuple[str, str], minor: int
) -> None:
    await press(http, address, button[0], amount=button[1])
    assert intake.events[0].amount == Money(minor, "USD")


async def test_less_than_one_cent_cannot_be_captured(
    http: httpx.AsyncClient, gateway: SandboxGateway, intake: Intake
) -> None:
    await press(http, await address_of(gateway, order(Money(1, "USD"))), "capture-less")
    assert intake.events[0].amount == Money(1, "USD")


@pytest.mark.parametrize("amount", ["0", "-1", "1.001", "x", "1e3", "9" * 20, "٢", "NaN"])
async def test_an_amount_that_is_none_changes_nothing(
    http: httpx.AsyncClient, address: str, intake: Intake, amount: str
) -> None:
    answer = await http.post(f"{address}/capture-less", headers=JSON, data={"amount": amount})
    assert answer.status_code == 409
    assert answer.json()["error"] == "This isn't a valid amount in USD."
    assert answer.json()["status"] == "OPEN"
    assert intake.events == []


async def test_settling_later_can_be_hurried(
    http: httpx.AsyncClient, address: str, intake: Intake
) -> None:
    summary = await press(http, address, "settle-later")
    assert summary["actions"] == ["settle-now", "deny"]
    assert (await press(http, address, "settle-now"))["status"] == "CAPTURED"
    assert intake.told == ["PROCESSING", "CAPTURED"]


async def test_what_was_to_settle_can_be_denied(
    http: httpx.AsyncClient, address: str, intake: Intake, delivery: Delivery
) -> None:
    await press(http, address, "settle-later")
    assert (await press(http, address, "deny"))["status"] == "FAILED"
    await sandbox_hours_pass()
    await delivery.deliver_due()
    assert intake.told == ["PROCESSING", "FAILED"]


async def test_money_may_come_after_a_failure(
    http: httpx.AsyncClient, address: str, intake: Intake
) -> None:
    summary = await press(http, address, "decline")
    assert summary["actions"] == ["capture-late"]
    assert (await press(http, address, "capture-late"))["status"] == "CAPTURED"
    assert intake.told == ["FAILED", "CAPTURED"]


async def test_a_button_that_is_gone_changes_nothing(
    http: httpx.AsyncClient, address: str, intake: Intake
) -> None:
    await press(http, address, "approve")
    answer = await http.post(f"{address}/decline", headers=JSON)
    assert answer.status_code == 409
    assert answer.json()["error"] == "Decline isn't possible: the payment is captured."
    page = await http.post(f"{address}/approve")
    assert page.status_code == 409
    assert 'role="alert"' in page.text
    assert intake.told == ["CAPTURED"]


# ------------------------------------------------------------------------------- afterwards


async def test_a_capture_is_refunded_in_parts_and_no_further(
    http: httpx.AsyncClient, address: str, intake: Intake
) -> None:
    await press(http, address, "approve")
    await press(http, address, "refund", amount="10")
    answer = await http.post(f"{address}/refund", headers=JSON, data={"amount": "15.01"})
    assert answer.json()["error"] == "At most 15.00 USD can be refunded."
    summary = await press(http, address, "refund")
    assert summary["actions"] == []
    captured, part, rest = intake.events
    assert (part.amount, rest.amount) == (Money(1000, "USD"), Money(1500, "USD"))
    assert len({captured.reference, part.reference, rest.reference}) == 3


@pytest.mark.parametrize("outcome", ["win", "lose"])
async def test_a_dispute_is_won_or_lost_under_its_own_id(
    http: httpx.AsyncClient, address: str, intake: Intake, outcome: str
) -> None:
    await press(http, address, "approve")
    summary = await press(http, address, "dispute")
    assert summary["actions"] == ["win-dispute", "lose-dispute"]
    summary = await press(http, address, f"{outcome}-dispute")
    assert summary["actions"] == (["refund", "dispute"] if outcome == "win" else [])
    _, disputed, closed = intake.events
    assert disputed.reference == closed.reference
    assert disputed.amount == closed.amount == Money(2500, "USD")


async def test_the_providers_buttons_stay_on_the_page(
    http: httpx.AsyncClient, address: str
) -> None:
    await press(http, address, "approve")
    answer = await http.post(f"{address}/refund")
    assert (answer.status_code, f"{ORIGIN}{answer.headers['location']}") == (303, address)


# ------------------------------------------------------------------------------- delivery


async def sandbox_hours_pass() -> None:
    """Let everything that is to happen later be due."""
    for row in await SandboxCharge.all():
        charge = await charges.by_payment(row.payment)
        assert charge is not None
        await charges.change(charge, _bring_back)


def _bring_back(charge: Charge) -> None:
    for message in charge.messages:
        message.due_at = (message.happens_at - timedelta(hours=2)).isoformat()


async def test_a_late_message_comes_when_it_is_due_and_once(
    http: httpx.AsyncClient, address: str, intake: Intake, delivery: Delivery
) -> None:
    await press(http, address, "settle-later")
    assert 10 < await delivery.deliver_due() <= 15
    assert intake.told == ["PROCESSING"]
    await sandbox_hours_pass()
    await delivery.deliver_due()
    await delivery.deliver_due()
    assert intake.told == ["PROCESSING", "CAPTURED"]


async def test_what_could_not_be_delivered_waits_and_keeps_its_order(
    http: httpx.AsyncClient, address: str, intake: Intake, delivery: Delivery
) -> None:
    intake.problem = ConnectionError()
    await press(http, address, "out-of-order")
    assert intake.told == []
    intake.problem = None
    await delivery.deliver_due()
    assert intake.told == ["CAPTURED", "PROCESSING", "FAILED"]


async def test_the_running_delivery_is_woken_by_what_waits(
    http: httpx.AsyncClient, address: str, intake: Intake, delivery: Delivery
) -> None:
    intake.problem = ConnectionError()
    await press(http, address, "approve")
    intake.problem = None
    async with delivery.running():
        with anyio.fail_after(5):
            while not intake.events:
                await anyio.lowlevel.checkpoint()
    assert intake.told == ["CAPTURED"]


async def test_a_message_that_is_refused_is_given_up(
    http: httpx.AsyncClient, address: str, intake: Intake, delivery: Delivery
) -> None:
    intake.problem = ConnectionError()
    await press(http, address, "approve")
    intake.problem = MessageRefused("no")
    await delivery.deliver_due()
    intake.problem = None
    await delivery.deliver_due()
    assert intake.events == []


async def test_the_amount_is_exact_in_yen(
    http: httpx.AsyncClient, gateway: SandboxGateway, intake: Intake
) -> None:
    address = await address_of(gateway, order(Money(123456, "JPY")))
    summary = await press(http, address, "approve")
    assert (summary["amount"], summary["currency"]) == ("123456", "JPY")
    assert intake.events[0].amount == Money(123456, "JPY")
    assert "123,456" in (await http.get(address)).text


async def test_many_presses_at_once_capture_once(
    http: httpx.AsyncClient, address: str, intake: Intake
) -> None:
    answers: list[int] = []

    async def approve() -> None:
        answers.append((await http.post(f"{address}/approve", headers=JSON)).status_code)

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(approve)
    assert sorted(answers) == [200] + [409] * 9
    assert len({event.reference for event in intake.events}) == 1


async def test_an_expired_payment_cannot_be_paid_on_time(
    http: httpx.AsyncClient, address: str
) -> None:
    await SandboxCharge.all().update(expires_at=now() - timedelta(seconds=1))
    summary = (await http.get(address, headers=JSON)).json()
    assert (summary["status"], summary["actions"]) == ("EXPIRED", ["capture-late"])
