"""Checks of messages from gateways."""

from __future__ import annotations

from typing import Final

from models.audit.check import Check, Sweep
from models.db import sql
from models.gateway import MONEY_KINDS

_MONEY: Final = sql.literals(sorted(MONEY_KINDS))

_PAYMENT_OF: Final = """
EXISTS (SELECT 1 FROM payment p WHERE told_of(p.id, r.payment_ref)
   AND p.gateway = r.gateway AND p.currency = r.currency)
"""
#: Why the inbox quarantines messages that are about nothing of ours.
_ASIDE: Final = (
    "",
    "no payment id of ours",
    "a payment of another gateway",
    "no reference of the capture, refund or dispute",
    "no amount that can be booked",
    "another currency than the payment''s",
    "no such payment",
)

MESSAGES: Final = Sweep(
    """r.gateway, r.event_ref AS message, r.kind, r.reference, r.state, r.currency,
       COALESCE(r.amount, 0) AS amount, r.note, r.payment_ref AS payment""",
    "receipt r",
    (
        Check(
            "message-unbooked",
            f"""r.state = 'APPLIED' AND r.kind IN {_MONEY} AND NOT EXISTS
               (SELECT 1 FROM settlement s WHERE s.gateway = r.gateway
                  AND s.reference = r.reference AND (s.kind = r.kind
                   OR (s.kind = 'CONFIRMED' AND r.kind = 'CAPTURED')))""",
            "message {message} from {gateway}: {kind} {reference} of {amount:money} is APPLIED,"
            " but was never booked",
        ),
        Check(
            "message-stuck",
            """r.state IN ('STORED', 'PARKED')
               AND (r.next_try_at IS NULL OR r.next_try_at > $2)""",
            "message {message} from {gateway}: {kind} {reference} is {state}, but will never be"
            " tried again",
        ),
        Check(
            "message-state",
            """(r.state = 'IGNORED') <> (r.kind = 'IGNORED') AND r.state NOT IN ('STORED', 'PARKED')
               OR r.state NOT IN ('STORED', 'PARKED', 'APPLIED', 'IGNORED', 'QUARANTINED')""",
            "message {message} from {gateway}: {kind} {reference} can't be {state}",
        ),
        Check(
            "message-aside",
            f"""r.state = 'QUARANTINED' AND r.kind IN {_MONEY} AND r.reference <> ''
               AND r.amount > 0 AND r.note IN {sql.literals(_ASIDE)} AND {_PAYMENT_OF}""",
            "message {message} from {gateway}: {kind} {reference} of {amount:money} was"
            " quarantined, but could have been booked to {payment}",
        ),
        Check(
            "message-waiting",
            "r.state IN ('STORED', 'PARKED') AND r.next_try_at < $1",
            "message {message} from {gateway}: {kind} {reference} is {state}, but should have"
            " been tried an hour ago",
            warning=True,
        ),
    ),
    scope="named(r.payment_ref, pay, payment)",
)

SWEEPS: Final = (MESSAGES,)
