"""Production: what strangers are not told, what logs do not say, and what does not start."""

from __future__ import annotations

import json
from random import choices
from secrets import token_hex, token_urlsafe
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

import httpx
import pytest
from graphql import get_introspection_query
from structlog.testing import capture_logs

from api.settings.settings import SettingsError, load_settings
from models.credit import balance
from schema.engine.masking import INTERNAL_MESSAGE
from tests.support.access.callers import COOKIE, cookie, open_populated_server, the_cookies
from tests.support.server.api_client import at_sandbox
from tests.support.server.demo_server import SECRET, WEBHOOK_SECRET, DemoServer, open_demo_server
from tests.support.server.live import CREDIT, watching
from tests.support.server.people import PASSWORD
from tests.support.server.sandbox_messages import message, send, signed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.server.api_client import Portal
    from tests.support.servers import Databases

pytestmark = pytest.mark.once

VIEWER: Final = "{ viewer { role } }"


# ------------------------------------------------------------------------------- strangers


async def test_strangers_learn_nothing_of_the_schema_and_members_read_it(database_url: str) -> None:
    async with open_populated_server(database_url) as populated:
        for document in (
            get_introspection_query(),
            "{ __schema { types { name } } }",
            '{ __type(name: "Query") { name } }',
            '{ ...F } fragment F on Query { a: __type(name: "Query") { fields { name } } }',
        ):
            for caller in ("nobody", "cookie"):
                refused = await populated.post(document, caller)
                assert refused.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"
                assert "data" not in refused.json()
            for caller in ("client", "partner", "staff"):
                assert "errors" not in (await populated.post(document, caller)).json()
        assert (await populated.post("{ viewer { __typename } }")).status_code == 200


async def test_misspelt_names_get_no_help(database_url: str) -> None:
    async with open_populated_server(database_url) as populated:
        for document in (
            "{ viewr { role } }",
            "{ viewer { rol } }",
            "{ balance(currenc: 1) { id } }",
            "{ node(id: 1) { ... on Acount { id } } }",
            "mutation { redeemVouchr(input: {}) { transaction { id } } }",
            "mutation { redeemVoucher(input: {cod: 1}) { transaction { id } } }",
            "query ($x: Currency) { balance(currency: $x) { id } }",
            "{ invoices(filter: {status: PAYD}) { totalCount } }",
            "{ viewer { role @skp(if: true) } }",
        ):
            for caller in ("nobody", "client"):
                answer = await populated.post(document, caller)
                assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
                assert "did you mean" not in answer.text.lower(), document
                assert answer.json().keys() == {"errors"}


async def test_there_is_no_explorer_and_no_sandbox_unless_switched_on(database_url: str) -> None:
    async with open_populated_server(database_url, account_credit_sandbox=False) as populated:
        page = await populated.http.get("/graphql", headers={"accept": "text/html"})
        assert page.status_code == 405
        assert "html" not in page.headers["content-type"]
        for path in ("/graphiql", "/playground", "/voyager", "/altair", "/docs", "/openapi.json"):
            assert (await populated.http.get(path)).status_code == 404
        for path in ("/sandbox/", "/sandbox/style.css", "/sandbox/pay/" + "x" * 32):
            assert (await populated.http.get(path)).status_code == 404
        assert (await populated.http.post("/webhooks/sandbox", content=b"{}")).status_code == 404
        data = await populated.data("{ gateways { code } }", "client")
        assert data["gateways"] == [{"code": "bank-transfer"}]


async def test_introspection_can_be_switched_on(database_url: str) -> None:
    async with open_populated_server(database_url, introspection=True) as populated:
        assert "errors" not in (await populated.post(get_introspection_query())).json()
        assert "Did you mean" in (await populated.post("{ viewr { role } }")).text


async def test_over_https_the_cookie_is_secure_and_bound_to_its_host(database_url: str) -> None:
    async with open_populated_server(
        database_url, public_url="https://credit.example.com"
    ) as populated:
        session, device = await the_cookies(populated)
        name, *attributes = session.split("; ")
        assert name.startswith(f"__Host-{COOKIE}=acs_")
        wanted = {"Max-Age=43200", "Path=/", "HttpOnly", "SameSite=Lax", "Secure"}
        assert set(attributes) == wanted
        name, *attributes = device.split("; ")
        assert name.startswith("__Host-account_credit_device=")
        assert set(attributes) > wanted - {"Max-Age=43200"}
        # A cookie that another host of the domain could set is nobody's.
        answer = await populated.post(VIEWER, **cookie(populated))
        assert answer.json() == {"data": {"viewer": None}}


async def test_what_breaks_is_an_id_for_the_caller_and_a_traceback_for_the_log(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_populated_server(database_url) as populated:

        async def broken(*_: object, **_by: object) -> None:
            raise RuntimeError("postgres://user:hunter2@db: relation account does not exist")

        monkeypatch.setattr(balance, "balance_of", broken)
        with capture_logs() as logs:
            answer = await populated.post("{ balance { id } }", "client")
        [error] = answer.json()["errors"]
        assert error["message"] == INTERNAL_MESSAGE
        assert error["extensions"].keys() == {"code", "id"}
        for inside in ("hunter2", "relation", "RuntimeError", "Traceback", ".py"):
            assert inside not in answer.text
        [logged] = [log for log in logs if log["log_level"] == "error"]
        assert logged["incident"] == error["extensions"]["id"]
        assert "relation account" in str(logged["exc_info"][1])
        assert logged["exc_info"][2] is not None


# ------------------------------------------------------------------------------- logs


@pytest.fixture
def talkative(databases: Databases, tmp_path: Path) -> Iterator[DemoServer]:
    """A server that logs all it can."""
    with open_demo_server(tmp_path, databases, LOG_LEVEL="debug") as server:
        yield server


def test_the_logs_of_a_whole_journey_hold_no_secret(talkative: DemoServer) -> None:
    server, secrets = talkative, {SECRET, WEBHOOK_SECRET, WEBHOOK_SECRET.removeprefix("whsec_")}
    client = server.new_client()
    for people in (_signing_in(server, client), _paying(server, client), _vouchers(server, client)):
        secrets |= people
    secrets |= _odd_requests(server, client)
    secrets |= {client.token, server.staff.token, server.partner.token}
    log = server.log.read_text()
    assert log.count('"event":"request"') > 30
    assert '"path":"/sandbox/pay/[hidden]/approve"' in log
    found = {secret for secret in secrets if secret in log}
    assert found == set()
    assert len(secrets) > 25
    greeting, *lines = log.rstrip("\n").split("\n")
    assert greeting.startswith("Serving on ")
    for line in lines:
        assert json.loads(line)["level"] in {"debug", "info", "warning"}, line


def _signing_in(server: DemoServer, client: Portal) -> set[str]:
    """Good and bad passwords, tokens in every place that a token may be."""
    guesses = {"wrong pass phrase 1", "wrong pass phrase 2"}
    for guess in guesses:
        server.portal().refusal("signIn", email=client.email, password=guess)
    browser = server.portal({"origin": server.url}, email=client.email)
    given = browser.sign_in(PASSWORD)["token"]
    browser.token = ""
    browser.ask(VIEWER)
    with watching(browser, CREDIT) as pushed:
        pushed()
    with watching(client, CREDIT) as pushed:
        pushed()
    browser.ask("mutation { signOut { userErrors { code } } }")
    stolen = "acs_" + "S" * 43
    for token in (given, stolen, "ack_0123456789abcdef_" + "K" * 43):
        assert server.portal(token=token).post(VIEWER).status_code == 401
    server.portal({"cookie": f"account_credit_session={stolen}"}).post(VIEWER)
    chosen = "a password of a new client"
    server.staff.do(
        "createAccount",
        "account { id }",
        name="New",
        email="new@client.example",
        password=chosen,
        currency="USD",
    )
    taken = "another password of a client"
    server.staff.attempt(
        "createAccount",
        "",
        name="New",
        email="new@client.example",
        password=taken,
        currency="USD",
    )
    return {*guesses, given, stolen, "K" * 43, chosen, taken, PASSWORD}


def _paying(server: DemoServer, client: Portal) -> set[str]:
    """The sandbox's pages, signed and forged messages, and a signed link."""
    payment = client.begin(client.add_funds("25.00"))
    url = payment["nextAction"]["url"]
    assert httpx.get(url).status_code == 200
    assert httpx.get(url + "/3-d-secure").status_code == 200
    at_sandbox(payment, "approve")
    body = message("payment.failed", payment)
    good, forged = signed(body), signed(body, secret="whsec_" + "F" * 32)
    assert send(server, body, good) == 200
    assert send(server, body, forged) == 401
    link = client.invoices()[0]["id"]
    pdf = client.ask("query ($id: ID) { invoice(id: $id) { pdfUrl } }", id=link)
    signature = pdf["invoice"]["pdfUrl"].partition("signature=")[2]
    assert httpx.get(pdf["invoice"]["pdfUrl"][:-1] + "~").status_code == 404
    assert httpx.get(pdf["invoice"]["pdfUrl"], timeout=60).status_code in {200, 503}
    signatures = {each["webhook-signature"].removeprefix("v1,") for each in (good, forged)}
    return {url.rpartition("/")[2], signature, *signatures}


def _vouchers(server: DemoServer, client: Portal) -> set[str]:
    """Good, used and guessed codes."""
    codes = server.vouchers("10.00", count=3)
    client.do("redeemVoucher", "transaction { kind }", code=codes[0])
    for code in (codes[0], "GUESS-GUESS-GUESS-GUESS"):
        client.refusal("redeemVoucher", code=code)
    client.refusal("redeemVoucher", code=codes[1].replace("-", "") + "X")
    return {*codes, *(code.replace("-", "") for code in codes), "GUESS-GUESS-GUESS-GUESS"}


def _odd_requests(server: DemoServer, client: Portal) -> set[str]:
    """Secrets where none belongs: in addresses, in documents, in values of the wrong type."""
    secret = "SECRET-that-was-sent-SOMEWHERE"
    token = client.token
    post = client.http.post
    bodies: list[Any] = [
        {
            "query": f'mutation {{ signIn(input: {{email: "a@b.c", password: "{secret}"}}) '
            "{ token } }"
        },
        {"query": f'mutation {{ signIn(input: {{email: "a@b.c", password: "{secret}'},
        {"query": f'{{ balance(currency: "{secret}") {{ id }} }}'},
        {"query": f'{{ node(id: "{secret}") {{ id }} }}'},
        {"query": f'mutation {{ nothing(password: "{secret}") {{ id }} }}'},
        {
            "query": "mutation ($i: SignInInput!) { signIn(input: $i) { token } }",
            "variables": {"i": secret},
        },
        {
            "query": "mutation ($i: SignInInput!) { signIn(input: $i) { token } }",
            "variables": {"i": {"email": "a@b.c", "password": {"deep": secret}}},
        },
        [secret],
        secret,
    ]
    for body in bodies:
        answer = post(f"{server.url}/graphql", json=body, headers=client.headers)
        assert answer.status_code < 500
    for content in (f'{{"password": "{secret}', f"\xff{secret}"):
        headers = {"content-type": "application/json", "authorization": f"Basic {secret}"}
        post(f"{server.url}/graphql", content=content.encode("latin-1"), headers=headers)
    for path in ("/graphql", "/", "/healthz", "/documents/x.pdf", "/webhooks/sandbox"):
        client.http.get(f"{server.url}{path}", params={"token": token, "password": secret})
    post(f"{server.url}/webhooks/sandbox", content=secret, headers={"webhook-signature": secret})
    post(f"{server.url}/sandbox/pay/{'P' * 32}/approve", data={"code": secret})
    _forge_lines(server, client)
    return {secret, "P" * 32}


def _forge_lines(server: DemoServer, client: Portal) -> None:
    """What would be a line of its own, or a colour, in a log that did not escape."""
    line = quote('"}\r\n{"level":"error","event":"forged\x1b[31m\u2028"}')
    client.http.get(f"{server.url}/{line}")
    client.http.get(f"{server.url}/documents/{line}.pdf?locale={line}")
    client.error("query ($id: ID!) { node(id: $id) { id } }", id=[unquote(line)])
    client.http.get(f"{server.url}/healthz", headers={"x-request-id": line, "user-agent": line})


# ------------------------------------------------------------------------------- starting


NO_SECRETS: Final = (
    ("SECRET_KEY", ""),
    ("SECRET_KEY", "short-secret"),
    ("SECRET_KEY", "changeme" * 4),
    ("SANDBOX_WEBHOOK_SECRET", "whsec_c2hvcnQ="),
)
PLACEHOLDERS: Final = (
    "Change-Me-Change-Me-Change-Me-Change-Me",
    "your-secret-key-goes-here-0123456789",
    "placeholder-0123456789-0123456789-xyz",
    "django-insecure-0123456789-abcdefghij",
    " " * 40,
)


@pytest.mark.parametrize(("name", "value"), NO_SECRETS)
def test_it_does_not_start_with_a_secret_that_is_none_and_says_which(
    tmp_path: Path, name: str, value: str
) -> None:
    wrong = {name: value, "ACCOUNT_CREDIT_SANDBOX": "1"}
    server = DemoServer(tmp_path, f"sqlite:///{tmp_path}/credit.db", wrong)
    done = server.run("serve")
    assert done.returncode != 0
    assert done.stderr.startswith(name)
    assert not value or value not in done.stderr
    assert "Traceback" not in done.stderr
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/healthz")


@pytest.mark.parametrize("value", PLACEHOLDERS)
def test_a_secret_that_came_with_an_example_is_refused_by_name(value: str) -> None:
    with pytest.raises(SettingsError, match="SECRET_KEY") as refused:
        load_settings(secret_key=value)
    assert value not in str(refused.value)


def test_a_random_secret_of_any_alphabet_is_taken() -> None:
    for random in (token_hex(16), token_urlsafe(48), "".join(choices("0123456789", k=32))):
        assert load_settings(secret_key=random).secret == random.encode()
