"""The proof that it all adds up.

Each check is one query that finds what must not be there, with the sentence that says so; all of
them see one moment. Nothing is corrected here: a finding is for people.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from models import sql
from models.base import snapshot

# What each ledger account holds: what came in less what went out.
_NET: Final = """
SELECT l.id, l.kind, l.account_id, l.currency,
       COALESCE((SELECT SUM(t.amount) FROM transfer t WHERE t.to_id = l.id), 0)
     - COALESCE((SELECT SUM(t.amount) FROM transfer t WHERE t.from_id = l.id), 0) AS net
  FROM ledger_account l
"""

_HELD_BY_CLIENT: Final = "('DEPOSITED', 'GRANT', 'HELD', 'DEBT')"

#: (the sentence, with the row's columns in braces; the query).
_CHECKS: Final[tuple[tuple[str, str], ...]] = (
    (
        "transfer {id}: not between two ledger accounts of its currency",
        """SELECT t.id FROM transfer t
             LEFT JOIN ledger_account a ON a.id = t.from_id AND a.currency = t.currency
             LEFT JOIN ledger_account b ON b.id = t.to_id AND b.currency = t.currency
            WHERE a.id IS NULL OR b.id IS NULL OR t.amount <= 0 OR t.from_id = t.to_id""",
    ),
    (
        "credit transaction {id}: its transfers move {moved}, it says {amount}",
        f"""SELECT c.id, c.amount, COALESCE(m.moved, 0) AS moved FROM credit_transaction c
             LEFT JOIN (SELECT t.credit_transaction_id AS line,
                               SUM(CASE WHEN b.kind IN {_HELD_BY_CLIENT} THEN t.amount ELSE 0 END)
                             - SUM(CASE WHEN a.kind IN {_HELD_BY_CLIENT} THEN t.amount ELSE 0 END)
                               AS moved
                          FROM transfer t JOIN ledger_account a ON a.id = t.from_id
                          JOIN ledger_account b ON b.id = t.to_id
                         WHERE t.credit_transaction_id IS NOT NULL
                         GROUP BY t.credit_transaction_id) m ON m.line = c.id
            WHERE m.line IS NULL OR m.moved <> c.amount""",
    ),
    (
        "balance {id}: its row and its transfers differ",
        f"""SELECT b.id FROM balance b
             LEFT JOIN (SELECT account_id, currency,
                    SUM(CASE WHEN kind = 'DEPOSITED' THEN net ELSE 0 END) AS deposited,
                    SUM(CASE WHEN kind = 'GRANT' THEN net ELSE 0 END) AS granted,
                    SUM(CASE WHEN kind = 'HELD' THEN net ELSE 0 END) AS held,
                    SUM(CASE WHEN kind = 'DEBT' THEN -net ELSE 0 END) AS owed
                  FROM ({_NET}) n WHERE account_id IS NOT NULL GROUP BY account_id, currency) s
               ON s.account_id = b.account_id AND s.currency = b.currency
            WHERE b.available <> COALESCE(s.deposited + s.granted, 0)
               OR b.promotional <> COALESCE(s.granted, 0)
               OR b.reserved <> COALESCE(s.held, 0) OR b.debt <> COALESCE(s.owed, 0)""",
    ),
    (
        "grant {id}: {remaining} remaining, its transfers leave {net}",
        f"""SELECT g.id, g.remaining, n.net FROM credit_grant g LEFT JOIN ({_NET}) n ON n.id = g.id
            WHERE n.net IS NULL OR n.net <> g.remaining""",
    ),
    (
        "account {account_id}, {currency}: versions with a gap, or behind the balance",
        """SELECT b.account_id, b.currency FROM balance b
             LEFT JOIN (SELECT account_id, currency, COUNT(*) AS lines, MAX(version) AS last
                          FROM credit_transaction GROUP BY account_id, currency) c
               ON c.account_id = b.account_id AND c.currency = b.currency
            WHERE b.version <> COALESCE(c.lines, 0) OR b.version <> COALESCE(c.last, 0)""",
    ),
    (
        "credit transaction {id}: balance after it is not that before it and its amount",
        """SELECT c.id FROM credit_transaction c
             LEFT JOIN credit_transaction p ON p.account_id = c.account_id
               AND p.currency = c.currency AND p.version = c.version - 1
            WHERE c.balance_after <> COALESCE(p.balance_after, 0) + c.amount
               OR c.balance_after <> c.available_after + c.reserved_after - c.debt_after""",
    ),
    (
        "balance {id}: not what its last credit transaction left",
        """SELECT b.id FROM balance b
             LEFT JOIN credit_transaction c ON c.account_id = b.account_id
               AND c.currency = b.currency AND c.version = b.version
            WHERE b.available + b.reserved - b.debt <> COALESCE(c.balance_after, 0)""",
    ),
    (
        "payment {id}: received {received}, its captures are {captured}",
        """SELECT p.id, p.received, COALESCE(s.captured, 0) AS captured FROM payment p
             LEFT JOIN (SELECT payment_id, SUM(amount) AS captured FROM settlement
                         WHERE kind = 'CAPTURED' GROUP BY payment_id) s ON s.payment_id = p.id
            WHERE p.received <> COALESCE(s.captured, 0)""",
    ),
    (
        "payment {id}: what came in is not what was booked",
        """SELECT p.id FROM payment p
             LEFT JOIN (SELECT t.payment_id,
                    SUM(CASE WHEN a.kind = 'CLEARING' THEN t.amount ELSE 0 END)
                  - SUM(CASE WHEN b.kind = 'CLEARING' THEN t.amount ELSE 0 END) AS cleared
                  FROM transfer t JOIN ledger_account a ON a.id = t.from_id
                  JOIN ledger_account b ON b.id = t.to_id
                 WHERE t.payment_id IS NOT NULL GROUP BY t.payment_id) c ON c.payment_id = p.id
            WHERE p.received <> p.fee_taken + p.applied + p.excess + p.taken_back
               OR p.received - p.taken_back <> COALESCE(c.cleared, 0)""",
    ),
    (
        "bank credit {id}: {state}, its payment has no settlement of {amount} for it",
        """SELECT b.id, b.state, b.amount FROM bank_credit b
             LEFT JOIN settlement s ON s.payment_id = b.payment_id AND s.amount = b.amount
               AND s.reference = b.bank_account || ':' || b.line_key
               AND (s.kind = 'REFUNDED') = (b.kind = 'RETURN')
            WHERE b.state IN ('BOOKED', 'ASSIGNED') AND s.id IS NULL""",
    ),
    (
        "invoice {number}: {amount_paid} paid, credit and payments make {made}",
        """SELECT i.number, i.amount_paid, i.credit_applied + COALESCE(p.applied, 0) AS made
             FROM invoice i LEFT JOIN (SELECT invoice_id, SUM(applied) AS applied
                                         FROM payment GROUP BY invoice_id) p ON p.invoice_id = i.id
            WHERE i.amount_paid <> i.credit_applied + COALESCE(p.applied, 0)
               OR (i.status = 'PAID' AND i.amount_paid <> i.total)
               OR i.amount_paid < 0 OR i.amount_paid > i.total""",
    ),
    (
        "invoice {number}: {credit_applied} credit applied, the statement says {spent}",
        """SELECT i.number, i.credit_applied, COALESCE(c.spent, 0) AS spent FROM invoice i
             LEFT JOIN (SELECT invoice_id, SUM(-amount) AS spent FROM credit_transaction
                         WHERE kind = 'INVOICE_PAYMENT' GROUP BY invoice_id) c
               ON c.invoice_id = i.id
            WHERE i.status <> 'VOID' AND i.credit_applied <> COALESCE(c.spent, 0)""",
    ),
    (
        "invoice {number}: void, {spent} credit was applied and {returned} returned",
        """SELECT i.number, c.spent, c.returned FROM invoice i
             JOIN (SELECT invoice_id,
                          SUM(CASE WHEN kind = 'INVOICE_PAYMENT' THEN -amount ELSE 0 END) AS spent,
                          SUM(CASE WHEN kind = 'INVOICE_PAYMENT_RETURNED' THEN amount ELSE 0 END)
                            AS returned
                     FROM credit_transaction WHERE invoice_id IS NOT NULL GROUP BY invoice_id) c
               ON c.invoice_id = i.id
            WHERE i.status = 'VOID' AND c.returned < c.spent""",
    ),
    (
        "transfer {id}: through a gateway's clearing, for no payment",
        """SELECT t.id FROM transfer t JOIN ledger_account l ON l.id IN (t.from_id, t.to_id)
            WHERE l.kind = 'CLEARING' AND t.payment_id IS NULL""",
    ),
    (
        "hold {id}: what it is for is {status}",
        """SELECT h.id, COALESCE(p.status, r.status) AS status FROM credit_hold h
             LEFT JOIN payment p ON p.id = h.payment_id LEFT JOIN refund r ON r.id = h.payment_id
            WHERE h.state = 'OPEN' AND COALESCE(p.status, r.status, '')
                  NOT IN ('CREATED', 'REQUIRES_ACTION', 'PROCESSING', 'PENDING')""",
    ),
    (
        "refund {id}: {status}, its hold is {state}",
        """SELECT r.id, r.status, COALESCE(h.state, 'missing') AS state FROM refund r
             LEFT JOIN credit_hold h ON h.payment_id = r.id
            WHERE r.status = 'PENDING' AND r.held > 0 AND COALESCE(h.state, '') <> 'OPEN'""",
    ),
    (
        "balance {id}: {reserved} reserved, its open holds are {held}",
        """SELECT b.id, b.reserved, COALESCE(h.held, 0) AS held FROM balance b
             LEFT JOIN (SELECT account_id, currency, SUM(amount) AS held FROM credit_hold
                         WHERE state = 'OPEN' GROUP BY account_id, currency) h
               ON h.account_id = b.account_id AND h.currency = b.currency
            WHERE b.reserved <> COALESCE(h.held, 0)""",
    ),
    (
        "voucher {id}: redeemed {redeemed} times, {counted} redemptions of {max_redemptions}",
        """SELECT v.id, v.redeemed, v.max_redemptions, COALESCE(r.counted, 0) AS counted
             FROM voucher v LEFT JOIN (SELECT voucher_id, COUNT(*) AS counted FROM redemption
                                        GROUP BY voucher_id) r ON r.voucher_id = v.id
            WHERE v.redeemed <> COALESCE(r.counted, 0) OR v.redeemed > v.max_redemptions""",
    ),
    (
        "series {name}: {last_number} numbers given out, {used} documents",
        """SELECT s.name, s.last_number,
                  (SELECT COUNT(*) FROM invoice i WHERE i.number LIKE s.name || '-%')
                + (SELECT COUNT(*) FROM invoice i WHERE i.credit_note_number LIKE s.name || '-%')
                  AS used
             FROM number_series s
            WHERE s.last_number <>
                  (SELECT COUNT(*) FROM invoice i WHERE i.number LIKE s.name || '-%')
                + (SELECT COUNT(*) FROM invoice i
                    WHERE i.credit_note_number LIKE s.name || '-%')""",
    ),
)

_COUNTED: Final = (
    "account",
    "balance",
    "credit_transaction",
    "transfer",
    "invoice",
    "payment",
    "settlement",
    "bank_credit",
    "refund",
    "receipt",
    "voucher",
)


@dataclass(slots=True)
class Report:
    """What the audit found; clean when `findings` is empty. `totals` are minor units, by currency
    and kind of ledger account.
    """

    findings: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    totals: dict[str, dict[str, int]] = field(default_factory=dict)


async def audit() -> Report:
    """Check everything, as of one moment."""
    return await snapshot(_audit)


async def _audit() -> Report:
    report = Report()
    for sentence, query in _CHECKS:
        report.findings += [sentence.format(**row) for row in await sql.fetch(query)]
    for table in _COUNTED:
        row = await sql.fetch_one(f"SELECT COUNT(*) AS n FROM {table}")
        assert row is not None
        report.counts[table] = row["n"]
    rows = await sql.fetch(
        f"SELECT currency, kind, SUM(net) AS net FROM ({_NET}) n GROUP BY currency, kind"
        " ORDER BY currency, kind"
    )
    for row in rows:
        report.totals.setdefault(row["currency"], {})[row["kind"]] = int(row["net"])
    for currency, totals in report.totals.items():
        if sum(totals.values()):
            report.findings.append(
                f"{currency}: debits and credits differ by {sum(totals.values())}"
            )
    return report
