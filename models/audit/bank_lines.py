"""Checks of the lines of bank statements."""

from __future__ import annotations

from typing import Final

from models.audit.check import Check, Sweep, public

_BOOKED_AS: Final = "(s.kind = 'REFUNDED') = (b.kind = 'RETURN')"

BANK_CREDITS: Final = Sweep(
    f"""{public("bcr", "b.id")} AS line, b.kind, b.state, b.amount, b.currency, b.bank_account,
       b.line_key""",
    f"""bank_credit b LEFT JOIN payment p ON p.id = b.payment_id
       LEFT JOIN settlement s ON s.gateway = p.gateway AND {_BOOKED_AS}
            AND s.reference = b.bank_account || ':' || b.line_key AND s.payment_id = p.id
            AND s.amount = b.amount AND p.currency = b.currency""",
    (
        Check(
            "bank-line-unbooked",
            "b.state IN ('BOOKED', 'ASSIGNED') AND s.id IS NULL",
            "bank line {line} ({bank_account}, {line_key}): {state}, but its payment has no"
            " settlement of {amount:money} for it",
        ),
        Check(
            "bank-line-note",
            "b.state = 'DISMISSED' AND b.note = ''",
            "bank line {line} ({bank_account}, {line_key}): {amount:money} was dismissed without"
            " a reason",
        ),
        Check(
            "bank-line-assigned",
            f"""b.state = 'ASSIGNED' AND NOT EXISTS
               (SELECT 1 FROM audit_entry e WHERE e.subject = {public("bcr", "b.id")}
                   AND e.action = 'bank_credit.assign')
               AND NOT EXISTS
               (SELECT 1 FROM audit_entry e WHERE e.subject = {public("pay", "b.payment_id")}
                   AND e.action = 'bank_transfer.record')""",
            "bank line {line} ({bank_account}, {line_key}): {amount:money} is ASSIGNED, but the"
            " audit log doesn't say by whom",
        ),
    ),
    scope="""b.id IN (SELECT id FROM bank_credit WHERE within(payment_id, payment)
                    UNION SELECT id FROM bank_credit WHERE state = 'DISMISSED')""",
)

#: Those that are parked or dismissed are few, so the settlements are looked through for them.
BANK_CREDITS_PUT_BY: Final = Sweep(
    f"""{public("bcr", "b.id")} AS line, b.state, b.amount, b.currency, b.bank_account,
       b.line_key""",
    f"settlement s JOIN put_by b ON b.reference = s.reference AND {_BOOKED_AS}",
    (
        Check(
            "bank-line-booked",
            "b.id IS NOT NULL",
            "bank line {line} ({bank_account}, {line_key}): {state}, but {amount:money} is booked"
            " for it",
        ),
    ),
    head="""put_by AS MATERIALIZED (
SELECT b.*, b.bank_account || ':' || b.line_key AS reference FROM bank_credit b
 WHERE b.state IN ('PARKED', 'DISMISSED'))""",
    scope="within(s.payment_id, payment)",
)

SWEEPS: Final = (BANK_CREDITS, BANK_CREDITS_PUT_BY)
