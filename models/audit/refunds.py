"""Checks of refunds that staff have asked for."""

from __future__ import annotations

from typing import Final

from models.audit.check import Check, Sweep, public

REFUNDS: Final = Sweep(
    f"""{public("rfd", "r.id")} AS refund, {public("pay", "r.payment_id")} AS payment, r.status,
       r.amount, r.held, r.currency, r.reference, r.capture,
       COALESCE(h.state, 'missing') AS state""",
    """refund r LEFT JOIN payment p ON p.id = r.payment_id
       LEFT JOIN credit_hold h ON h.payment_id = r.id
       LEFT JOIN settlement c ON c.gateway = p.gateway AND c.kind IN ('CAPTURED', 'CONFIRMED')
            AND c.reference = r.capture AND c.payment_id = r.payment_id
       LEFT JOIN settlement d ON d.gateway = p.gateway AND d.kind = 'REFUNDED'
            AND d.reference = r.reference AND d.payment_id = r.payment_id
       LEFT JOIN settlement f ON f.gateway = p.gateway AND f.kind = 'REFUND_FAILED'
            AND f.reference = r.reference AND f.payment_id = r.payment_id""",
    (
        Check(
            "refund-payment",
            "p.id IS NULL OR p.account_id <> r.account_id OR p.currency <> r.currency",
            "{refund}: its payment {payment} is of another client or currency, or doesn't exist",
        ),
        Check(
            "refund-capture",
            "c.id IS NULL OR c.amount < r.amount",
            "{refund}: {amount:money} of capture {capture}, which is not its payment's, or is"
            " smaller",
        ),
        Check(
            "refund-hold",
            """(r.status = 'PENDING' AND r.held > 0) <> (COALESCE(h.state, '') = 'OPEN')
               OR (r.held > 0 AND h.id IS NULL)""",
            "{refund}: {status} with {held:money} to hold, but its hold is {state}",
        ),
        Check(
            "refund-succeeded",
            "r.status = 'SUCCEEDED' AND (d.id IS NULL OR f.id IS NOT NULL)",
            "{refund}: SUCCEEDED, but {amount:money} has not gone back as {reference}",
        ),
        Check(
            "refund-failed",
            "r.status = 'FAILED' AND d.id IS NOT NULL AND f.id IS NULL",
            "{refund}: FAILED, but its {amount:money} has gone back as {reference}",
        ),
        Check(
            "refund-ended",
            "(r.status = 'PENDING') <> (r.completed_at IS NULL)",
            "{refund}: {status}, but its completion date says otherwise",
        ),
        Check(
            "refund-unasked",
            "r.status = 'PENDING' AND r.next_check_at IS NULL",
            "{refund}: PENDING, but its gateway will not be asked about it again",
            warning=True,
        ),
    ),
    scope="within(r.payment_id, payment)",
)

#: What staff asked for and what is there, each of the other's number.
REFUNDS_ASKED: Final = Sweep(
    "a.payment, a.amount, a.reason",
    f"""(SELECT payment, amount, reason, SUM(n) AS n FROM (
           SELECT {public("pay", "r.payment_id")} AS payment, CAST(r.amount AS TEXT) AS amount,
                  r.reason, 1 AS n FROM refund r WHERE within(r.payment_id, payment)
            UNION ALL SELECT e.subject, CAST(e.details ->> 'amount' AS TEXT),
                  e.details ->> 'reason', -1
             FROM audit_entry e WHERE e.action = 'payment.refund'
              AND named(e.subject, pay, payment)) every
         GROUP BY payment, amount, reason) a""",
    (
        Check(
            "refund-asked",
            "a.n <> 0",
            "{payment}: the audit log and its refunds of {amount} minor units don't agree"
            " ({reason})",
        ),
    ),
    scope="TRUE",
)

SWEEPS: Final = (REFUNDS, REFUNDS_ASKED)
