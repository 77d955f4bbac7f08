"""What happens at PayPal: orders and what becomes of them, refunds, disputes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from tests.support.paypal.signer import written

Thing = dict[str, Any]
_numbers = count(1)


def new_id() -> str:
    return f"{next(_numbers):017X}"


def found_in(things: dict[str, Thing], id: str, otherwise: Exception) -> Thing:
    if id not in things:
        raise otherwise
    return things[id]


def times() -> Thing:
    moment = written(datetime.now(UTC))
    return {"create_time": moment, "update_time": moment}


@dataclass
class BackOffice:
    """Payers, banks and PayPal's staff. The next captures and refunds get these states."""

    url: str
    capture_states: list[str] = field(default_factory=list)
    refund_states: list[str] = field(default_factory=list)
    amounts: list[Thing] = field(default_factory=list)
    "What the next captures bring instead of the order's amount."
    orders: dict[str, Thing] = field(default_factory=dict)
    captures: dict[str, Thing] = field(default_factory=dict)
    refunds: dict[str, Thing] = field(default_factory=dict)
    disputes: dict[str, Thing] = field(default_factory=dict)
    hidden: bool = False

    def new_order(self, asked: Thing) -> Thing:
        id = new_id()
        link = {
            "href": f"{self.url}/checkoutnow?token={id}",
            "rel": "payer-action",
            "method": "GET",
        }
        order = {**asked, "id": id, "status": "PAYER_ACTION_REQUIRED", "links": [link], **times()}
        self.orders[id] = order
        return order

    def approve(self, order_id: str) -> Thing:
        order = self.orders[order_id]
        order |= {"status": "APPROVED", "update_time": f"2026-11-22T00:00:0{next(_numbers) % 10}Z"}
        return order

    def capture(self, order: Thing) -> Thing:
        unit = order["purchase_units"][0]
        capture = {
            "id": new_id(),
            "status": self.capture_states.pop(0) if self.capture_states else "COMPLETED",
            "amount": self.amounts.pop(0) if self.amounts else unit["amount"],
            "custom_id": unit["custom_id"],
            "invoice_id": unit["invoice_id"],
            "final_capture": True,
            "supplementary_data": {"related_ids": {"order_id": order["id"]}},
            **times(),
        }
        self.captures[capture["id"]] = capture
        unit["payments"] = {"captures": [capture]}
        order["status"] = "COMPLETED"
        return order

    def captured(self, payment: str) -> Thing:
        """The capture of a payment."""
        return next(one for one in self.captures.values() if one["custom_id"] == payment)

    def settle(self, thing: Thing, status: str) -> Thing:
        """A pending capture or refund comes to its end."""
        thing["status"] = status
        return thing

    # ------------------------------------------------------------------------- going back

    def refunds_of(self, capture: Thing) -> list[Thing]:
        order = self.orders[capture["supplementary_data"]["related_ids"]["order_id"]]
        known: list[Thing] = order["purchase_units"][0]["payments"].setdefault("refunds", [])
        return known

    def hide_once(self) -> None:
        """The next who reads an order does not see its refunds yet."""
        self.hidden = True

    def shown(self, order: Thing) -> Thing:
        """An order as PayPal shows it: less than was asked for, and less of its captures."""
        seen: Thing = json.loads(json.dumps(order))
        seen.get("payment_source", {}).get("paypal", {}).pop("experience_context", None)
        units = [unit for unit in seen["purchase_units"] if isinstance(unit, dict)]
        payments = units[0].get("payments", {}) if units else {}
        for capture in payments.get("captures", ()):
            capture.pop("supplementary_data", None)
        if self.hidden:
            self.hidden = False
            del payments["refunds"]
        return seen

    def refundable(self, capture: Thing) -> Decimal:
        gone = sum(Decimal(one["amount"]["value"]) for one in self.refunds_of(capture))
        return Decimal(capture["amount"]["value"]) - gone

    def refund(self, capture_id: str, amount: Thing, **more: str) -> Thing:
        """A refund or, with a `note_to_payer`, a reversal."""
        capture = self.captures[capture_id]
        up = {"href": f"{self.url}/v2/payments/captures/{capture_id}", "rel": "up", "method": "GET"}
        made = {
            "id": new_id(),
            "status": self.refund_states.pop(0) if self.refund_states else "COMPLETED",
            "amount": amount,
            "links": [up],
            **more,
            **times(),
        }
        self.refunds_of(capture).append(made)
        self.refunds[made["id"]] = made
        return made

    def reverse(self, capture: Thing, amount: Thing | None = None) -> Thing:
        given = amount or capture["amount"]
        return self.refund(capture["id"], given, note_to_payer="Payment reversed")

    def dispute(self, capture: Thing, amount: Thing | None = None) -> Thing:
        opened = {
            "dispute_id": f"PP-D-{next(_numbers)}",
            "status": "OPEN",
            "reason": "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
            "dispute_amount": amount or capture["amount"],
            "disputed_transactions": [{"seller_transaction_id": capture["id"]}],
            "dispute_life_cycle_stage": "INQUIRY",
            **times(),
        }
        self.disputes[opened["dispute_id"]] = opened
        return opened

    def resolve(self, dispute: Thing, outcome: str, refunded: Thing | None = None) -> Thing:
        said = {"outcome_code": outcome, **({"amount_refunded": refunded} if refunded else {})}
        dispute |= {"status": "RESOLVED", "dispute_outcome": said}
        dispute["update_time"] = written(datetime.now(UTC))
        return dispute

    def about(self, dispute: Thing) -> list[str]:
        return [one["seller_transaction_id"] for one in dispute["disputed_transactions"]]
