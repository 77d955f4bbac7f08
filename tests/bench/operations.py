"""The three operations that are measured, as whole HTTP requests."""

from __future__ import annotations

import json
from typing import Any, Final

_BALANCE: Final = """
query Balance {
  balance { id available { amount currency } reserved { amount } pending { amount } version }
}
"""

_INVOICES: Final = """
query Invoices {
  invoices(first: 20) {
    edges {
      node {
        id number kind status issuedAt dueAt
        total { amount currency } amountDue { amount currency }
        lines { description quantity unitPrice { amount } taxRate total { amount } }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""

_PAY_INVOICE: Final = """
mutation PayInvoice($input: PayInvoiceInput!) {
  payInvoice(input: $input) {
    invoice { id status amountDue { amount } }
    balance { available { amount currency } version }
    userErrors { __typename code message field }
  }
}
"""


def balance(seeded: dict[str, Any]) -> list[bytes]:
    """Available Credit, of each client in turn."""
    return [_request(_BALANCE, token) for token in seeded["tokens"]]


def invoices(seeded: dict[str, Any]) -> list[bytes]:
    """20 invoices with 3 lines each, of each client in turn."""
    return [_request(_INVOICES, token) for token in seeded["tokens"]]


def pay_invoice(seeded: dict[str, Any]) -> list[bytes]:
    """Each invoice paid with credit, once, by its own client."""
    tokens = seeded["tokens"]
    return [
        _request(
            _PAY_INVOICE,
            tokens[n % len(tokens)],
            {"input": {"invoiceId": id, "useCredit": True, "idempotencyKey": f"pay-{id}"}},
        )
        for n, id in enumerate(seeded["invoices"])
    ]


def _request(query: str, token: str, variables: dict[str, Any] | None = None) -> bytes:
    body = json.dumps({"query": query, "variables": variables or {}}).encode()
    head = (
        "POST /graphql HTTP/1.1",
        "host: 127.0.0.1",
        f"authorization: Bearer {token}",
        "accept: application/graphql-response+json",
        "content-type: application/json",
        f"content-length: {len(body)}",
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
