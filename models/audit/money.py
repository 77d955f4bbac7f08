"""Checks of money that came in and went back: payments, settlements, messages, refunds, bank lines.

Every movement at a gateway has a reason that somebody outside gave (a message, a line of a bank
statement) or that staff answer for (the audit log), and every such reason has been booked.
"""

from __future__ import annotations

from typing import Final

from models.audit.check import Check, Sweep, any_of, id_of, public
from models.gateway import MONEY_KINDS
from models.payments.payment import OPEN_SQL

_MONEY: Final = any_of(frozenset(kind.value for kind in MONEY_KINDS))
_ENDED: Final = "('SUCCEEDED', 'FAILED', 'CANCELED', 'EXPIRED')"

# ------------------------------------------------------------------------------- payments

#: What each payment's settlements come to, as `settlement.advance` works it out: the outcome of a
#: dispute has the last word, a refund that failed counts for nothing.
_SETTLED: Final = """
WITH told AS MATERIALIZED (
SELECT payment_id, reference,
       SUM(CASE WHEN kind = 'CAPTURED' THEN amount ELSE 0 END) AS captured,
       SUM(CASE WHEN kind = 'REFUNDED' THEN amount ELSE 0 END) AS refunded,
       MAX(CASE WHEN kind = 'REFUND_FAILED' THEN 1 ELSE 0 END) AS failed,
       MAX(CASE WHEN kind = 'DISPUTED' THEN amount END) AS disputed,
       MAX(CASE WHEN kind = 'DISPUTE_LOST' THEN amount END) AS lost,
       MAX(CASE WHEN kind = 'DISPUTE_WON' THEN 1 ELSE 0 END) AS won
  FROM settlement GROUP BY payment_id, reference),
settled AS MATERIALIZED (
SELECT payment_id, SUM(captured) AS captured,
       SUM(CASE WHEN failed = 1 THEN 0 ELSE refunded END
         + CASE WHEN won = 1 THEN 0 ELSE COALESCE(lost, disputed, 0) END) AS returned,
       MAX(CASE WHEN disputed IS NOT NULL AND lost IS NULL AND won = 0 THEN 1 ELSE 0 END)
         AS in_dispute
  FROM told GROUP BY payment_id),
booked AS MATERIALIZED (
SELECT t.payment_id,
       SUM(CASE WHEN a.kind = 'CLEARING' THEN t.amount WHEN b.kind = 'CLEARING' THEN -t.amount
                ELSE 0 END) AS cleared,
       SUM(CASE WHEN t.kind = 'FEE' THEN t.amount WHEN t.kind = 'FEE_REVERSED' THEN -t.amount
                ELSE 0 END) AS fees,
       SUM(CASE WHEN t.kind = 'SALE' THEN t.amount WHEN t.kind = 'SALE_REVERSED' THEN -t.amount
                ELSE 0 END) AS sold
  FROM transfer t JOIN ledger_account a ON a.id = t.from_id JOIN ledger_account b ON b.id = t.to_id
 WHERE t.payment_id IS NOT NULL GROUP BY t.payment_id)
"""
_RETURNED: Final = """
CASE WHEN COALESCE(s.returned, 0) < COALESCE(s.captured, 0) THEN COALESCE(s.returned, 0)
     ELSE COALESCE(s.captured, 0) END
"""

PAYMENTS: Final = Sweep(
    f"""{public("pay", "p.id")} AS payment, p.status, p.currency, p.amount, p.fee, p.received,
       p.taken_back, p.fee_taken, p.applied, p.credit_part, p.disputed, i.number,
       COALESCE(s.captured, 0) AS captured, {_RETURNED} AS returned""",
    """payment p LEFT JOIN invoice i ON i.id = p.invoice_id
       LEFT JOIN settled s ON s.payment_id = p.id LEFT JOIN booked t ON t.payment_id = p.id
       LEFT JOIN credit_hold h ON h.payment_id = p.id""",
    (
        Check(
            "payment-invoice",
            "i.id IS NULL OR i.account_id <> p.account_id OR i.currency <> p.currency",
            "{payment}: its invoice is another client's, of another currency, or not there",
        ),
        Check(
            "payment-received",
            "p.received <> COALESCE(s.captured, 0)",
            "{payment}: received {received:money}, its captures are {captured:money}",
        ),
        Check(
            "payment-taken-back",
            f"p.taken_back <> {_RETURNED}",
            "{payment}: {taken_back:money} taken back, its refunds and disputes are"
            " {returned:money}",
        ),
        Check(
            "payment-booked",
            """p.received <> p.fee_taken + p.applied + p.excess + p.taken_back
               OR p.received - p.taken_back <> COALESCE(t.cleared, 0)""",
            "{payment}: what came in is not what was booked",
        ),
        Check(
            "payment-fee",
            """p.fee_taken <> COALESCE(t.fees, 0) OR p.fee_taken > p.fee
               OR (p.taken_back = 0 AND p.fee_taken <> CASE WHEN p.fee < p.received THEN p.fee
                                                            ELSE p.received END)""",
            "{payment}: {fee_taken:money} taken as its fee of {fee:money}, which the ledger does"
            " not say",
        ),
        Check(
            "payment-applied",
            """CASE WHEN i.kind = 'FUNDS' THEN COALESCE(t.sold, 0) <> 0
                    WHEN i.status = 'VOID' THEN p.applied <> 0
                    ELSE p.applied <> COALESCE(t.sold, 0) END""",
            "{payment}: {applied:money} counted on invoice {number}, the ledger says another sum",
        ),
        Check(
            "payment-status",
            "(p.status = 'SUCCEEDED') <> (p.received > 0)",
            "{payment}: {status}, and {received:money} came in",
        ),
        Check(
            "payment-disputed",
            "p.disputed <> (COALESCE(s.in_dispute, 0) = 1)",
            "{payment}: marked as in dispute or not, against what its gateway said",
        ),
        Check(
            "payment-credit-part",
            f"""p.credit_part > 0 AND (i.kind = 'FUNDS' OR p.status = 'SUCCEEDED' OR h.id IS NULL
               OR h.amount <> p.credit_part
               OR (p.status IN {OPEN_SQL} AND h.state <> 'OPEN'))""",
            "{payment}: {status}, {credit_part:money} of credit are its part and not held so",
        ),
        Check(
            "payment-amount",
            "p.amount + p.credit_part > i.total AND p.gateway_ref <> p.reference",
            "{payment}: over {amount:money} and {credit_part:money} of credit, more than its"
            " invoice {number}",
        ),
        Check(
            "payment-ended",
            f"(p.status IN {_ENDED}) <> (p.completed_at IS NOT NULL)",
            "{payment}: {status}, and it ended or did not",
        ),
        Check(
            "payment-unasked",
            f"p.status IN {OPEN_SQL} AND p.next_check_at IS NULL",
            "{payment}: {status}, and its gateway will not be asked about it again",
            warning=True,
        ),
    ),
    head=_SETTLED,
)

# ------------------------------------------------------------------------------- settlements

#: CONFIRMED is a gateway's word of a capture that staff have recorded under the payment's own id.
_IN_A_MESSAGE: Final = f"""
EXISTS (SELECT 1 FROM receipt r WHERE r.reference = s.reference
   AND r.kind = CASE s.kind WHEN 'CONFIRMED' THEN 'CAPTURED' ELSE s.kind END
   AND r.gateway = s.gateway AND r.state = 'APPLIED' AND r.amount = s.amount
   AND r.currency = p.currency AND (r.payment_ref = {public("pay", "p.id")}
    OR (r.payment_ref = '' AND EXISTS (SELECT 1 FROM settlement c WHERE c.payment_id = p.id
        AND c.kind IN ('CAPTURED', 'CONFIRMED') AND c.reference = r.capture_ref))))
"""
_BY_STAFF: Final = f"""
(s.kind = 'CAPTURED' AND s.reference = {public("pay", "p.id")} AND EXISTS
 (SELECT 1 FROM audit_entry e WHERE e.subject = s.reference AND e.action = 'payment.outcome'))
"""
_ON_A_STATEMENT: Final = """
EXISTS (SELECT 1 FROM bank_credit b WHERE b.payment_id = p.id AND b.amount = s.amount
   AND b.currency = p.currency AND b.state IN ('BOOKED', 'ASSIGNED')
   AND b.bank_account || ':' || b.line_key = s.reference
   AND (s.kind = 'REFUNDED') = (b.kind = 'RETURN'))
"""

SETTLEMENTS: Final = Sweep(
    f"""s.kind, s.reference, s.gateway, s.amount, p.currency,
       COALESCE({public("pay", "p.id")}, '-') AS payment""",
    "settlement s LEFT JOIN payment p ON p.id = s.payment_id",
    (
        Check(
            "settlement-payment",
            "p.id IS NULL OR p.gateway <> s.gateway",
            "settlement {reference}: {kind} at {gateway}, which its payment does not go through",
        ),
        Check(
            "settlement-reason",
            f"NOT {_IN_A_MESSAGE} AND NOT {_ON_A_STATEMENT} AND NOT {_BY_STAFF}",
            "settlement {reference}: {kind} of {amount:money} for {payment}, which no message of"
            " {gateway} and no line of a bank statement tells of",
        ),
    ),
)

# ------------------------------------------------------------------------------- messages

_PAYMENT_OF: Final = f"""
EXISTS (SELECT 1 FROM payment p WHERE as_text(p.id) = {id_of("r.payment_ref", 5)}
   AND p.gateway = r.gateway AND p.currency = r.currency)
"""
#: Why `receipt` puts messages aside that are about nothing of ours.
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
            "message {message} of {gateway}: {kind} {reference} of {amount:money} is APPLIED and"
            " was never booked",
        ),
        Check(
            "message-stuck",
            """r.state IN ('STORED', 'PARKED')
               AND (r.next_try_at IS NULL OR r.next_try_at > $2)""",
            "message {message} of {gateway}: {kind} {reference} is {state}, and will never be tried"
            " again",
        ),
        Check(
            "message-state",
            """(r.state = 'IGNORED') <> (r.kind = 'IGNORED') AND r.state NOT IN ('STORED', 'PARKED')
               OR r.state NOT IN ('STORED', 'PARKED', 'APPLIED', 'IGNORED', 'QUARANTINED')""",
            "message {message} of {gateway}: {kind} {reference} cannot be {state}",
        ),
        Check(
            "message-aside",
            f"""r.state = 'QUARANTINED' AND r.kind IN {_MONEY} AND r.reference <> ''
               AND r.amount > 0 AND r.note IN {any_of(_ASIDE)} AND {_PAYMENT_OF}""",
            "message {message} of {gateway}: {kind} {reference} of {amount:money} was put aside,"
            " and {payment} is there to book it on",
        ),
        Check(
            "message-waiting",
            "r.state IN ('STORED', 'PARKED') AND r.next_try_at < $1",
            "message {message} of {gateway}: {kind} {reference} is {state}, and should have been"
            " tried an hour ago",
            warning=True,
        ),
    ),
)

# ------------------------------------------------------------------------------- refunds

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
            "{refund}: its payment {payment} is another client's, of another currency, or not"
            " there",
        ),
        Check(
            "refund-capture",
            "c.id IS NULL OR c.amount < r.amount",
            "{refund}: {amount:money} of capture {capture}, which its payment does not have so much"
            " of",
        ),
        Check(
            "refund-hold",
            """(r.status = 'PENDING' AND r.held > 0) <> (COALESCE(h.state, '') = 'OPEN')
               OR (r.held > 0 AND h.id IS NULL)""",
            "{refund}: {status} with {held:money} to hold, its hold is {state}",
        ),
        Check(
            "refund-succeeded",
            "r.status = 'SUCCEEDED' AND (d.id IS NULL OR f.id IS NOT NULL)",
            "{refund}: SUCCEEDED, and {amount:money} has not gone back as {reference}",
        ),
        Check(
            "refund-failed",
            "r.status = 'FAILED' AND d.id IS NOT NULL AND f.id IS NULL",
            "{refund}: FAILED, and its {amount:money} has gone back as {reference}",
        ),
        Check(
            "refund-ended",
            "(r.status = 'PENDING') <> (r.completed_at IS NULL)",
            "{refund}: {status}, and it ended or did not",
        ),
        Check(
            "refund-unasked",
            "r.status = 'PENDING' AND r.next_check_at IS NULL",
            "{refund}: PENDING, and its gateway will not be asked about it again",
            warning=True,
        ),
    ),
)

#: What staff asked for and what is there, each of the other's number.
REFUNDS_ASKED: Final = Sweep(
    "a.payment, a.amount, a.reason",
    f"""(SELECT payment, amount, reason, SUM(n) AS n FROM (
           SELECT {public("pay", "r.payment_id")} AS payment, CAST(r.amount AS TEXT) AS amount,
                  r.reason, 1 AS n FROM refund r
            UNION ALL SELECT e.subject, CAST(e.details ->> 'amount' AS TEXT),
                  e.details ->> 'reason', -1
             FROM audit_entry e WHERE e.action = 'payment.refund') every
         GROUP BY payment, amount, reason) a""",
    (
        Check(
            "refund-asked",
            "a.n <> 0",
            "{payment}: the audit log and its refunds of {amount} minor units differ ({reason})",
        ),
    ),
)

# ------------------------------------------------------------------------------- bank lines

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
            "{line} ({bank_account}, {line_key}): {state}, its payment has no settlement of"
            " {amount:money} for it",
        ),
        Check(
            "bank-line-note",
            "b.state = 'DISMISSED' AND b.note = ''",
            "{line} ({bank_account}, {line_key}): {amount:money} was dismissed, and nobody said"
            " why",
        ),
        Check(
            "bank-line-assigned",
            f"""b.state = 'ASSIGNED' AND NOT EXISTS
               (SELECT 1 FROM audit_entry e WHERE e.subject = {public("bcr", "b.id")}
                   AND e.action = 'bank_credit.assign')
               AND NOT EXISTS
               (SELECT 1 FROM audit_entry e WHERE e.subject = {public("pay", "b.payment_id")}
                   AND e.action = 'bank_transfer.record')""",
            "{line} ({bank_account}, {line_key}): {amount:money} is ASSIGNED, and no member of"
            " staff has done that",
        ),
    ),
)

#: Those that wait or are none of ours are few, so the settlements are looked through for them.
BANK_CREDITS_PUT_BY: Final = Sweep(
    f"""{public("bcr", "b.id")} AS line, b.state, b.amount, b.currency, b.bank_account,
       b.line_key""",
    f"settlement s JOIN put_by b ON b.reference = s.reference AND {_BOOKED_AS}",
    (
        Check(
            "bank-line-booked",
            "b.id IS NOT NULL",
            "{line} ({bank_account}, {line_key}): {state}, and {amount:money} is booked for it",
        ),
    ),
    head="""WITH put_by AS MATERIALIZED (
SELECT b.*, b.bank_account || ':' || b.line_key AS reference FROM bank_credit b
 WHERE b.state IN ('PARKED', 'DISMISSED'))""",
)

SWEEPS: Final = (
    PAYMENTS,
    SETTLEMENTS,
    MESSAGES,
    REFUNDS,
    REFUNDS_ASKED,
    BANK_CREDITS,
    BANK_CREDITS_PUT_BY,
)
