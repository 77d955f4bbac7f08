"""What npm's clients make of the server: graphql-http's audits, graphql-ws, graphql-sse and urql.

Needs Node and npm. The packages are installed into the user's cache folder, once.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.javascript import npm_packages
from tests.support.server.api_client import INVOICES, LINES
from tests.support.server.demo_server import DemoServer, open_demo_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.servers import Databases

    Run = Callable[..., Any]

pytestmark = pytest.mark.once

SCRIPTS = Path(__file__).parent / "npm"
#: Each asks for a query by GET, which a server may answer.
MAY_BY_GET = {"5A70", "6A70", "D6D5"}
#: What a portal asks, one of each root field.
PLAIN = (
    "{ viewer { role scopes account { id name currency } } }",
    "{ balance { available { formatted } pending { amount } nextExpiry { expiresAt } version } }",
    "{ creditPolicy { version url summary refundableInCash } }",
    '{ fundsLimits(currency: "USD") { minimumDeposit { formatted } maximumBalance { amount } } }',
    '{ gateways(amount: { amount: "25.00", currency: "USD" }) { code name kind currencies } }',
    '{ invoice(number: "INV-2020-000001") { id } }',
)
QUERIES: list[tuple[str, dict[str, Any]]] = [
    *((query, {}) for query in PLAIN),
    (INVOICES, {"first": 5}),
    (LINES, {"first": 5}),
    ("query ($id: ID!) { node(id: $id) { id __typename } }", {"id": "inv_" + "0" * 32}),
    ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": []}),
]


@pytest.fixture(scope="module")
def server(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    with open_demo_server(tmp_path_factory.mktemp("npm-server"), databases) as server:
        yield server


@pytest.fixture(scope="module")
def run(server: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a script with Node against the server, for a client of its own; what it shows."""
    folder = tmp_path_factory.mktemp("npm")
    shutil.copytree(SCRIPTS, folder, dirs_exist_ok=True)
    packages = npm_packages(SCRIPTS, "NOT TESTED with npm's GraphQL clients")
    (folder / "node_modules").symlink_to(packages / "node_modules")

    def run(script: str, **more: object) -> Any:
        client = server.new_client(credit="5.00")
        told = {
            "url": f"{server.url}/graphql",
            "client": client.token,
            "accountId": client.account_id,
            "staff": server.staff.token,
            "run": script,
            **more,
        }
        done = subprocess.run(
            ["node", script],
            cwd=folder,
            input=json.dumps(told),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_every_audit_of_graphql_over_http_passes(run: Run) -> None:
    audits = run("audits.mjs")
    assert len(audits) > 50
    failed = [audit for audit in audits if audit["status"] != "ok"]
    # Queries by GET are off: what a link can ask, another page can ask for its visitor.
    assert {audit["id"] for audit in failed} == MAY_BY_GET, failed
    assert {audit["name"][:4] for audit in failed} == {"MAY "}


def test_graphql_ws_signs_in_subscribes_and_resumes(run: Run) -> None:
    told = run("websocket.mjs")
    assert told["viewer"] == {"data": {"viewer": {"role": "CLIENT"}}}
    assert told["wrong"]["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert told["before"] == list(range(told["before"][0], told["before"][0] + 4))
    assert told["missed"] == [told["before"][-1] + 1, told["before"][-1] + 2]
    # Each change that was missed, once and in order, then the present state.
    assert told["resumed"] == [
        *([version] * 2 for version in told["missed"]),
        [told["missed"][1], None],
    ]
    first, second, drops = told["reconnected"]
    assert (first, drops) == (second, 1)
    assert (told["bad"], told["odd"]) == (4403, 4403)


def test_graphql_sse_signs_in_subscribes_and_resumes(run: Run) -> None:
    told = run("events.mjs")
    assert told["viewer"] == {"data": {"viewer": {"role": "CLIENT"}}}
    assert told["before"] == list(range(told["before"][0], told["before"][0] + 4))
    assert told["resumed"] == [
        *([version] * 2 for version in told["missed"]),
        [told["missed"][1], None],
    ]
    assert told["bad"] == 401
    assert (told["nobody"], told["unknown"]) == ("UNAUTHENTICATED", "BAD_USER_INPUT")


def test_every_query_of_urql_works_although_it_accepts_events(run: Run) -> None:
    told = run("urql.mjs", documents=QUERIES)
    assert [answer for answer in told["answers"] if answer["error"] or not answer["fields"]] == []
    assert len(told["answers"]) == len(QUERIES)
    assert (told["error"], told["mutation"]["signOut"]["userErrors"]) == (None, [])
    assert told["types"] == ["application/graphql-response+json; charset=utf-8"]


def test_standardwebhooks_verifies_what_a_partner_is_told(run: Run, server: DemoServer) -> None:
    told = run("webhooks.mjs", partner=server.demo["partner"]["key"])
    assert told["secrets"] == [True, True]
    assert told["refused"] == ["another secret", "another body"]
    # The first answer was 500: the same message comes again, signed anew.
    first, again = told["first"], told["again"]
    assert (first["id"], first["body"]) == (again["id"], again["body"])
    assert first["timestamp"] != again["timestamp"]
    assert first["event"]["type"] == "credit.changed"
    assert first["event"]["id"] == first["id"]
    assert told["signatures"] == [1, 2]
    assert told["states"] == ["DELIVERED", "DELIVERED"]
