"""A small shop whose clients pay with their Account Credit: a partner, from the first client on.

It opens accounts for its clients, adds funds for them, bills orders, reserves credit for what is
billed once it is used, hears of everything by webhook, and catches up by the feed of events after
it was away. What it knows is in one SQLite file. README.md says how to run it.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from account_credit import AccountCredit
from account_credit.exceptions import GraphQLClientGraphQLMultiError
from account_credit.input_types import (
    AddFundsInput,
    CaptureHoldInput,
    CreateAccountInput,
    CreateInvoiceInput,
    CreateWebhookEndpointInput,
    InvoiceLineInput,
    MoneyInput,
    PayInvoiceInput,
    ReserveCreditInput,
)
from standardwebhooks import Webhook, WebhookVerificationError

CURRENCY = "USD"
#: No event of ours is larger: what is, is not read.
BODY_MAX = 1_000_000
BODY_DIGITS_MAX = 7

TABLES = """
CREATE TABLE IF NOT EXISTS known (
    kind TEXT, name TEXT, value TEXT NOT NULL, PRIMARY KEY (kind, name)
);
CREATE TABLE IF NOT EXISTS event (
    id TEXT PRIMARY KEY, client TEXT, sequence INTEGER NOT NULL, type TEXT NOT NULL, heard TEXT
);
"""


class Refused(Exception):
    """The API said no: `userErrors`, in a form's terms."""


class Shop:
    """The shop: each method is something that its staff, its clients or the API ask of it.

    Every call that makes something has a key made of the shop's own number for it. So whatever
    happens on the way, the same call can be made again, and it is done once.
    """

    def __init__(self, api: str, key: str, database: str) -> None:
        self.api = AccountCredit(f"{api}/graphql", {"Authorization": f"Bearer {key}"})
        self.known = sqlite3.connect(database, isolation_level=None, timeout=10)
        self.known.executescript(TABLES)

    def close(self) -> None:
        """Let go of the database and the connection."""
        self.known.close()
        self.api.http_client.close()

    # -- what the shop does

    def open_account(self, client: str, name: str, email: str) -> str:
        """Open an account for a client of the shop, by the shop's own number of the client."""
        asked = CreateAccountInput(
            name=name,
            email=email,
            currency=CURRENCY,
            external_id=client,
            idempotency_key=f"client {client}",
        )
        done = _accepted(self.api.open_account(asked).create_account)
        self._put("account", client, done.account.id)
        return str(done.account.id)

    def policy(self) -> str:
        """The version of the credit policy, which the shop shows before it adds funds."""
        return str(self.api.policy().credit_policy.version)

    def add_funds(self, client: str, amount: str, order: str, policy: str) -> str:
        """An invoice for a deposit, and where to send the client's browser to pay it.

        `policy` is the version that was shown, and that the client has accepted: where there is a
        newer one by now, it is refused, and shown first.
        """
        asked = AddFundsInput(
            account_id=self._get("account", client),
            amount=MoneyInput(amount=amount, currency=CURRENCY),
            gateway="sandbox",
            accepted_policy_version=policy,
            idempotency_key=f"funds {order}",
        )
        invoice = _accepted(self.api.add_funds(asked).add_funds).invoice
        paying = PayInvoiceInput(
            invoice_id=invoice.id, gateway="sandbox", idempotency_key=f"pay {order}"
        )
        payment = _accepted(self.api.pay_invoice(paying).pay_invoice).payment
        return str(payment.next_action.url)

    def bill(self, client: str, amount: str, order: str) -> str:
        """Bill an order, and pay it with credit as far as that goes: the status of its invoice."""
        asked = CreateInvoiceInput(
            account_id=self._get("account", client),
            currency=CURRENCY,
            lines=[InvoiceLineInput(description=f"Order {order}", unit_price=amount)],
            apply_credit=True,
            reference=order,
            idempotency_key=f"order {order}",
        )
        return str(_accepted(self.api.bill_order(asked).create_invoice).invoice.status.value)

    def reserve(self, client: str, amount: str, order: str) -> str:
        """Reserve credit for a day, for what is billed once it is used."""
        asked = ReserveCreditInput(
            account_id=self._get("account", client),
            amount=MoneyInput(amount=amount, currency=CURRENCY),
            expires_at=(datetime.now(UTC) + timedelta(days=1)).isoformat(),
            reference=order,
            description=f"Order {order}",
            idempotency_key=f"hold {order}",
        )
        hold = _accepted(self.api.reserve(asked).reserve_credit).hold
        self._put("hold", order, hold.id)
        return str(hold.state.value)

    def bill_reserved(self, order: str, amount: str) -> str:
        """Bill what was used of a reservation; the rest is the client's again."""
        asked = CaptureHoldInput(
            hold_id=self._get("hold", order), amount=amount, idempotency_key=f"used {order}"
        )
        return str(_accepted(self.api.bill_reserved(asked).capture_hold).invoice.status.value)

    # -- what it hears

    def connect(self, url: str) -> None:
        """Have every event sent to `url`. The secret is shown once: it is kept."""
        asked = CreateWebhookEndpointInput(url=url, events=["*"], idempotency_key=f"endpoint {url}")
        made = _accepted(self.api.subscribe(asked).create_webhook_endpoint)
        if made.secret is not None:
            self._put("webhook", "secret", made.secret)

    def hear(self, body: bytes, headers: dict[str, str]) -> None:
        """Take a delivery. Raises WebhookVerificationError where the secret has not signed it."""
        event: dict[str, Any] = Webhook(self._get("webhook", "secret") or "").verify(body, headers)
        self._note(event["id"], event["externalId"], event["sequence"], event["type"], "webhook")

    def catch_up(self) -> int:
        """Read all that has happened since the last time; how many events had not been heard of."""
        new, more = 0, True
        while more:
            cursor = self._get("feed", "cursor")
            try:
                page = self.api.events_after(cursor).events
            except GraphQLClientGraphQLMultiError as refused:
                if cursor is None or not _names_a_bad_value(refused):
                    raise
                # It was away for longer than events are kept: it begins with the oldest there is.
                # A real shop reads its clients' balances and invoices anew as well.
                print(f"Events are missing: {refused}", file=sys.stderr)
                self._forget("feed", "cursor")
                continue
            for node in (edge.node for edge in page.edges):
                new += self._note(
                    node.id, node.account.external_id, node.sequence, node.type_, "feed"
                )
            if page.page_info.end_cursor:
                # After the events themselves: whoever is stopped here reads them again, no fewer.
                self._put("feed", "cursor", page.page_info.end_cursor)
            more = page.page_info.has_next_page
        return new

    def heard(self) -> list[tuple[str, int, str, str]]:
        """Whose, number, type and how, of all events."""
        told = "SELECT client, sequence, type, heard FROM event ORDER BY client, sequence"
        return self.known.execute(told).fetchall()

    def _note(self, id: str, client: str | None, sequence: int, type: str, how: str) -> int:
        """Once an event, however often it comes: here a real shop does what the event is for."""
        told = (id, client, sequence, type, how)
        return self.known.execute(
            "INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, ?)", told
        ).rowcount

    # -- what it knows

    def _put(self, kind: str, name: str, value: str) -> None:
        self.known.execute("INSERT OR REPLACE INTO known VALUES (?, ?, ?)", (kind, name, value))

    def _forget(self, kind: str, name: str) -> None:
        self.known.execute("DELETE FROM known WHERE kind = ? AND name = ?", (kind, name))

    def _get(self, kind: str, name: str) -> str | None:
        found = "SELECT value FROM known WHERE kind = ? AND name = ?"
        row = self.known.execute(found, (kind, name)).fetchone()
        return None if row is None else str(row[0])


class Receiver(BaseHTTPRequestHandler):
    """Where deliveries come in. What is answered with 2xx does not come again."""

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            self.answer(411)
            return
        if len(length) > BODY_DIGITS_MAX or int(length) > BODY_MAX:
            self.answer(413)
            return
        shop = from_environment()
        try:
            shop.hear(
                self.rfile.read(int(length)),
                {name.lower(): value for name, value in self.headers.items()},
            )
        except WebhookVerificationError:
            self.answer(401)
        else:
            self.answer(204)
        finally:
            shop.close()

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Not a line for each."""


def _accepted(payload: Any) -> Any:
    if payload.user_errors:
        raise Refused("; ".join(error.message for error in payload.user_errors))
    return payload


def _names_a_bad_value(refused: GraphQLClientGraphQLMultiError) -> bool:
    return any((one.extensions or {}).get("code") == "BAD_USER_INPUT" for one in refused.errors)


def from_environment() -> Shop:
    """The shop that API, API_KEY and SHOP (its file) name."""
    return Shop(os.environ["API"], os.environ["API_KEY"], os.environ["SHOP"])


def listen(port: str) -> None:
    """Take deliveries until interrupted."""
    with ThreadingHTTPServer(("127.0.0.1", int(port)), Receiver) as server:
        print(json.dumps(f"http://127.0.0.1:{server.server_port}/"), flush=True)
        server.serve_forever()


COMMANDS = (
    "open_account",
    "policy",
    "add_funds",
    "bill",
    "reserve",
    "bill_reserved",
    "connect",
    "catch_up",
    "heard",
)


def main() -> None:
    """Do one thing, such as `shop.py bill 4711 5.00 A-1`, and print what came of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=[*COMMANDS, "listen"])
    parser.add_argument("arguments", nargs="*")
    asked = parser.parse_args()
    if asked.command == "listen":
        listen(*asked.arguments)
        return
    shop = from_environment()
    try:
        print(json.dumps(getattr(shop, asked.command)(*asked.arguments)))
    except Refused as refusal:
        sys.exit(str(refusal))
    finally:
        shop.close()


if __name__ == "__main__":
    main()
