"""Checks of payments, and of what was settled on them.

Every movement at a gateway has a reason that somebody outside gave (a message, a line of a bank
statement) or that staff answer for (the audit log), and every such reason has been booked.
"""

from __future__ import annotations

from typing import Final

from models.audit.check import Check, Sweep, public
from models.status import OPEN_SQL

_ENDED: Final = "('SUCCEEDED', 'FAILED', 'CANCELED', 'EXPIRED')"

#: What each payment's settlements come to, as `payments.advance` works it out: the outcome of a
#: dispute has the last word, a refund that failed counts for nothing.
_SETTLED: Final = """
told AS MATERIALIZED (
SELECT payment_id, reference,
       SUM(CASE WHEN kind = 'CAPTURED' THEN amount ELSE 0 END) AS captured,
       SUM(CASE WHEN kind = 'REFUNDED' THEN amount ELSE 0 END) AS refunded,
       MAX(CASE WHEN kind = 'REFUND_FAILED' THEN 1 ELSE 0 END) AS failed,
       MAX(CASE WHEN kind = 'DISPUTED' THEN amount END) AS disputed,
       MAX(CASE WHEN kind = 'DISPUTE_LOST' THEN amount END) AS lost,
       MAX(CASE WHEN kind = 'DISPUTE_WON' THEN 1 ELSE 0 END) AS won
  FROM settlement WHERE within(payment_id, payment) GROUP BY payment_id, reference),
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
 WHERE t.payment_id IS NOT NULL AND within(t.payment_id, payment) GROUP BY t.payment_id),
shared AS MATERIALIZED (
SELECT payment_id, CAST(COUNT(*) AS INTEGER) AS count, SUM(amount) AS amount,
       SUM(credit_part) AS credit_part, SUM(applied) AS applied
  FROM payment_allocation WHERE within(payment_id, payment) GROUP BY payment_id)
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
       LEFT JOIN credit_hold h ON h.payment_id = p.id
       LEFT JOIN shared x ON x.payment_id = p.id""",
    (
        Check(
            "payment-invoice",
            "i.id IS NULL OR i.account_id <> p.account_id OR i.currency <> p.currency",
            "{payment}: its invoice is of another client or currency, or doesn't exist",
        ),
        Check(
            "payment-received",
            "p.received <> COALESCE(s.captured, 0)",
            "{payment}: received {received:money}, but its captures come to {captured:money}",
        ),
        Check(
            "payment-taken-back",
            f"p.taken_back <> {_RETURNED}",
            "{payment}: {taken_back:money} was taken back, but its refunds and disputes come to"
            " {returned:money}",
        ),
        Check(
            "payment-booked",
            """p.received <> p.fee_taken + p.applied + p.excess + p.taken_back
               OR p.received - p.taken_back <> COALESCE(t.cleared, 0)""",
            "{payment}: received {received:money}, of which {taken_back:money} was taken back,"
            " and that is not what is booked",
        ),
        Check(
            "payment-fee",
            """p.fee_taken <> COALESCE(t.fees, 0) OR p.fee_taken > p.fee
               OR (p.taken_back = 0 AND p.fee_taken <> CASE WHEN p.fee < p.received THEN p.fee
                                                            ELSE p.received END)""",
            "{payment}: {fee_taken:money} of its fee of {fee:money} was taken, which doesn't"
            " match the ledger or what it received",
        ),
        Check(
            "payment-applied",
            """CASE WHEN p.several THEN FALSE
                    WHEN i.kind = 'FUNDS' THEN COALESCE(t.sold, 0) <> 0
                    WHEN i.status = 'VOID' THEN p.applied <> 0
                    ELSE p.applied <> COALESCE(t.sold, 0) END""",
            "{payment}: {applied:money} counts towards invoice {number}, but the ledger has"
            " another amount",
        ),
        Check(
            "payment-status",
            "(p.status = 'SUCCEEDED') <> (p.received > 0)",
            "{payment}: {status}, but {received:money} came in",
        ),
        Check(
            "payment-disputed",
            "p.disputed <> (COALESCE(s.in_dispute, 0) = 1)",
            "{payment}: whether it is disputed is not what its gateway said",
        ),
        Check(
            "payment-credit-part",
            f"""p.credit_part > 0 AND (i.kind = 'FUNDS' OR p.status = 'SUCCEEDED' OR h.id IS NULL
               OR h.amount <> p.credit_part
               OR (p.status IN {OPEN_SQL} AND h.state <> 'OPEN'))""",
            "{payment}: {status} with a credit part of {credit_part:money}, which is not what is"
            " held for it",
        ),
        Check(
            "payment-amount",
            """NOT p.several AND p.amount + p.credit_part > i.total
               AND p.gateway_ref <> p.reference""",
            "{payment}: for {amount:money} and {credit_part:money} of credit, which is more than"
            " its invoice {number}",
        ),
        Check(
            "payment-several",
            """p.several <> (COALESCE(x.count, 0) > 1) OR COALESCE(x.count, 0) = 1
               OR (p.several AND (p.applied <> x.applied OR p.amount <> x.amount
                   OR (p.credit_part > 0 AND p.credit_part <> x.credit_part)))""",
            "{payment}: for {amount:money}, of which {applied:money} counts on invoices, and its"
            " parts for several invoices come to something else",
        ),
        Check(
            "payment-ended",
            f"(p.status IN {_ENDED}) <> (p.completed_at IS NOT NULL)",
            "{payment}: {status}, but its completion date says otherwise",
        ),
        Check(
            "payment-unasked",
            f"p.status IN {OPEN_SQL} AND p.next_check_at IS NULL",
            "{payment}: {status}, but its gateway will not be asked about it again",
            warning=True,
        ),
    ),
    head=_SETTLED,
    scope="within(p.account_id)",
)

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
            "settlement {reference}: {kind} at {gateway}, but its payment goes through another"
            " gateway or doesn't exist",
        ),
        Check(
            "settlement-reason",
            f"NOT {_IN_A_MESSAGE} AND NOT {_ON_A_STATEMENT} AND NOT {_BY_STAFF}",
            "settlement {reference}: {kind} of {amount:money} for {payment}, but no message from"
            " {gateway}, no bank line and no entry in the audit log says so",
        ),
    ),
    scope="within(s.payment_id, payment)",
)

#: What each of several invoices has of a payment, and what the ledger says.
ALLOCATIONS: Final = Sweep(
    f"""{public("pay", "x.payment_id")} AS payment, COALESCE(i.number, '-') AS number,
       i.currency, x.applied, COALESCE(s.sold, 0) AS sold""",
    """payment_allocation x LEFT JOIN payment p ON p.id = x.payment_id
       LEFT JOIN invoice i ON i.id = x.invoice_id
       LEFT JOIN sold s ON s.payment_id = x.payment_id
             AND s.suffix = ':' || CAST(x.place AS TEXT)""",
    (
        Check(
            "allocation-invoice",
            """p.id IS NULL OR i.id IS NULL OR i.kind <> 'ORDER' OR p.account_id <> x.account_id
               OR i.account_id <> x.account_id OR i.currency <> p.currency
               OR (x.place = 0 AND p.invoice_id <> x.invoice_id)""",
            "{payment}: is also for invoice {number}, which is of another client or currency, is a"
            " deposit or doesn't exist",
        ),
        Check(
            "allocation-applied",
            """x.applied < 0 OR x.amount + x.credit_part > i.total
               OR x.applied <> CASE WHEN i.status = 'VOID' THEN 0 ELSE COALESCE(s.sold, 0) END""",
            "{payment}: {applied:money} counts towards invoice {number}, but the ledger has"
            " {sold:money}",
        ),
    ),
    head="""
sold AS MATERIALIZED (
SELECT t.payment_id, SUBSTR(t.source, 33) AS suffix,
       SUM(CASE t.kind WHEN 'SALE' THEN t.amount ELSE -t.amount END) AS sold
  FROM transfer t WHERE t.kind IN ('SALE', 'SALE_REVERSED') AND SUBSTR(t.source, 33) <> ''
   AND within(t.payment_id, payment) GROUP BY t.payment_id, SUBSTR(t.source, 33))
""",
    scope="within(x.account_id)",
)

SWEEPS: Final = (PAYMENTS, ALLOCATIONS, SETTLEMENTS)
