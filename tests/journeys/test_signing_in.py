"""Signing in: browsers by cookie, programs by token or API key; and nobody sees the others."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import pytest
from httpx_ws import WebSocketUpgradeError

from api.endpoint.revocations import RECHECK_SECONDS
from tests.support.server.live import CREDIT, streaming, watching
from tests.support.server.people import PASSWORD

if TYPE_CHECKING:
    from tests.support.server.api_client import Answer
    from tests.support.server.demo_server import DemoServer
    from tests.support.server.live import Transport

pytestmark = pytest.mark.once

VIEWER = "{ viewer { role scopes account { id email balance { available { amount } } } } }"


def test_a_program_signs_in_with_a_token_until_it_signs_out(server: DemoServer) -> None:
    client = server.new_client()
    viewer = client.ask(VIEWER)["viewer"]
    assert viewer["role"] == "CLIENT"
    assert viewer["account"] == {
        "id": client.account_id,
        "email": client.email,
        "balance": {"available": "0.00"},
    }
    client.ask("mutation { signOut { userErrors { code } } }")
    assert client.error(VIEWER) == "UNAUTHENTICATED"


def test_a_browser_signs_in_with_a_cookie_that_no_script_sees(server: DemoServer) -> None:
    email = server.new_client(credit="12.00").email
    browser = server.portal({"origin": server.url})
    document = "mutation ($i: SignInInput!) { signIn(input: $i) { viewer { role } } }"
    response = browser.post(document, {"i": {"email": email.upper(), "password": PASSWORD}})
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert browser.ask(VIEWER)["viewer"]["account"]["email"] == email
    with watching(browser, CREDIT) as pushed:
        assert pushed()["balance"]["available"] == "12.00"
    browser.ask("mutation { signOut { userErrors { code } } }")
    assert browser.ask(VIEWER) == {"viewer": None}


def test_a_page_of_another_origin_gets_nothing_with_the_cookie(server: DemoServer) -> None:
    browser = server.new_client()
    cookie = {"cookie": f"account_credit_session={browser.token}"}
    foreign = server.portal({"origin": "https://evil.example", **cookie})
    assert foreign.post(VIEWER).status_code == 403
    with pytest.raises(WebSocketUpgradeError), watching(foreign, CREDIT):
        pass
    own = server.portal({"origin": "http://localhost:5173", **cookie})
    answer = own.post(VIEWER)
    assert answer.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert answer.headers["access-control-allow-credentials"] == "true"


def test_a_wrong_password_and_an_unknown_email_are_the_same_refusal(server: DemoServer) -> None:
    email, nobody = server.new_client().email, server.portal()
    wrong = nobody.refusal("signIn", email=email, password="another pass phrase")
    unknown = nobody.refusal("signIn", email="who@client.example", password=PASSWORD)
    assert wrong["code"] == "INVALID_CREDENTIALS"
    assert wrong == unknown


def test_nobody_is_nobody_and_is_asked_to_sign_in(server: DemoServer) -> None:
    nobody = server.portal()
    assert nobody.ask(VIEWER) == {"viewer": None}
    assert nobody.error("{ balance { version } }") == "UNAUTHENTICATED"
    stranger = server.portal(token="no-such-token")
    assert stranger.post(VIEWER).status_code == 401


def test_staff_and_partners_are_who_they_are(server: DemoServer) -> None:
    assert server.staff.ask(VIEWER)["viewer"]["role"] == "STAFF"
    partner = server.partner.ask(VIEWER)["viewer"]
    assert partner["role"] == "PARTNER"
    assert "invoices:write" in partner["scopes"]
    assert partner["account"] is None


def test_two_clients_cannot_see_or_touch_each_other(server: DemoServer) -> None:
    one, other = server.new_client(credit="50.00"), server.new_client(credit="50.00")
    invoice = one.add_funds("20.00")
    payment = one.begin(invoice)

    def theirs_now() -> tuple[Answer, Answer, list[Answer]]:
        shown = one.invoice(invoice)
        shown.pop("pdfUrl")  # it says until when it works
        return one.balance(), shown, one.statement()

    before = theirs_now()

    document = "query ($id: ID!) { node(id: $id) { id } invoice(id: $id) { id } }"
    assert other.ask(document, id=invoice["id"]) == {"node": None, "invoice": None}
    assert other.ask("query ($id: ID!) { node(id: $id) { id } }", id=payment["id"])["node"] is None
    number = other.ask("query ($n: String) { invoice(number: $n) { id } }", n=invoice["number"])
    assert number["invoice"] is None
    theirs = "query ($id: ID) { balance(accountId: $id) { version } }"
    assert other.error(theirs, id=one.account_id) == other.error(theirs, id="acc_" + "0" * 32)

    for mutation, given in (
        ("payInvoice", {"invoiceId": invoice["id"], "useCredit": True}),
        ("recheckPayment", {"paymentId": payment["id"]}),
        ("cancelPayment", {"paymentId": payment["id"]}),
        ("updateAccount", {"accountId": one.account_id, "autoApplyCredit": True}),
    ):
        assert other.refusal(mutation, **given)["code"] == "NOT_FOUND", mutation

    assert theirs_now() == before


def test_clients_cannot_do_what_is_for_staff_and_partners(server: DemoServer) -> None:
    client = server.new_client()
    account, money = client.account_id, client.money("5.00")
    for mutation, given in (
        ("adjustCredit", {"accountId": account, "amount": money, "reason": "mine"}),
        ("issueVouchers", {"amount": money}),
        ("createInvoice", {"accountId": account, "currency": "USD", "lines": []}),
    ):
        name = f"{mutation[0].upper()}{mutation[1:]}Input"
        document = f"mutation ($i: {name}!) {{ {mutation}(input: $i) {{ userErrors {{ code }} }} }}"
        asked = {**given, "idempotencyKey": "mine"}
        assert client.error(document, i=asked) == "FORBIDDEN", mutation
    assert client.statement() == []


def test_a_partners_key_reaches_the_clients_and_scopes_that_it_was_given(
    server: DemoServer,
) -> None:
    mine, other = server.new_client(credit="5.00"), server.new_client(credit="5.00")
    command = ("create-key", "--partner", "Desk of one", "--scope", "credit:read")
    made = server.run(*command, "--account", mine.account_id)
    assert made.returncode == 0, made.stderr
    partner = server.portal(token=made.stdout.strip())
    document = "query ($id: ID) { balance(accountId: $id) { available { amount } } }"
    assert partner.ask(document, id=mine.account_id)["balance"]["available"] == "5.00"
    unseen = partner.error(document, id=other.account_id)
    assert unseen == partner.error(document, id="acc_" + "0" * 32)
    invoices = "query ($id: ID) { invoices(accountId: $id) { totalCount } }"
    assert partner.error(invoices, id=mine.account_id) == "FORBIDDEN"


@pytest.mark.parametrize("listen", [watching, streaming], ids=["websocket", "events"])
def test_a_key_that_is_revoked_on_the_command_line_hears_nothing_more(
    server: DemoServer, listen: Transport
) -> None:
    client = server.new_client(credit="5.00")
    made = server.run(
        "create-key", "--partner", "Listener", "--scope", "credit:read", "--all-accounts"
    )
    partner = server.portal(token=made.stdout.strip())
    credit = CREDIT.replace("($after", "($id: ID!, $after").replace(
        "(after", "(accountId: $id, after"
    )
    with listen(partner, credit, id=client.account_id) as pushed:
        assert pushed()["balance"]["available"] == "5.00"
        done = server.run("revoke-key", partner.token)
        assert done.returncode == 0, done.stderr
        began = monotonic()
        with pytest.raises(AssertionError, match="UNAUTHENTICATED"):
            pushed()
        assert monotonic() - began < RECHECK_SECONDS / 4
    assert partner.error("{ viewer { role } }") == "UNAUTHENTICATED"


def test_staff_find_a_client_and_partners_only_their_own(server: DemoServer) -> None:
    client = server.new_client()
    document = "query ($s: String) { accounts(search: $s) { totalCount edges { node { id } } } }"
    found = server.staff.ask(document, s=client.email)["accounts"]
    assert [edge["node"]["id"] for edge in found["edges"]] == [client.account_id]
    assert client.error(document, s="") == "FORBIDDEN"
