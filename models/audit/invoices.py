"""Checks of what is owed: an invoice is what it said when issued, and has what was paid of it."""

from __future__ import annotations

from typing import Final

from models.audit.check import Check, Sweep, public
from models.audit.numbers import in_a_series
from models.status import PAYABLE_SQL

#: What each invoice has of payments, of lines, of the statement, and of the ledger's sales.
_PARTS: Final = """
paid AS MATERIALIZED (
SELECT invoice_id, SUM(applied) AS applied,
       MAX(CASE WHEN status = 'PROCESSING' THEN 1 ELSE 0 END) AS in_process,
       MAX(CASE WHEN taken_back > 0 THEN 1 ELSE 0 END) AS returned,
       MAX(received - fee) AS most
  FROM (SELECT invoice_id, applied, status, taken_back, received, fee FROM payment
         WHERE NOT several AND within(invoice_id, invoice)
        UNION ALL SELECT x.invoice_id, x.applied, q.status, q.taken_back, q.received, q.fee
          FROM payment_allocation x JOIN payment q ON q.id = x.payment_id
         WHERE within(x.invoice_id, invoice)) parts
 GROUP BY invoice_id),
rows_of AS MATERIALIZED (
SELECT invoice_id, CAST(COUNT(*) AS INTEGER) AS count, SUM(total) AS total,
       SUM(total * CAST(tax_rate AS NUMERIC)) AS tax, COUNT(DISTINCT tax_rate) AS rates
  FROM invoice_line WHERE within(invoice_id, invoice) GROUP BY invoice_id),
credit AS MATERIALIZED (
SELECT invoice_id, SUM(CASE WHEN kind = 'INVOICE_PAYMENT' THEN -amount ELSE 0 END) AS spent,
       SUM(CASE WHEN kind IN ('INVOICE_PAYMENT', 'INVOICE_PAYMENT_RETURNED') THEN -amount
                ELSE 0 END) AS sold,
       SUM(CASE WHEN kind = 'INVOICE_PAYMENT_RETURNED' THEN 1 ELSE 0 END) AS returned,
       SUM(CASE WHEN kind = 'DEPOSIT' THEN 1 ELSE 0 END) AS deposited
  FROM credit_transaction WHERE invoice_id IS NOT NULL AND within(invoice_id, invoice)
 GROUP BY invoice_id),
sold AS MATERIALIZED (
SELECT invoice_id, SUM(CASE kind WHEN 'SALE' THEN amount ELSE -amount END) AS by_gateways
  FROM (SELECT p.invoice_id, t.kind, t.amount FROM transfer t JOIN payment p ON p.id = t.payment_id
         WHERE NOT p.several AND t.kind IN ('SALE', 'SALE_REVERSED')
           AND within(p.invoice_id, invoice)
        UNION ALL SELECT x.invoice_id, t.kind, t.amount
          FROM transfer t JOIN payment_allocation x ON x.payment_id = t.payment_id
           AND SUBSTR(t.source, 33) = ':' || CAST(x.place AS TEXT)
         WHERE t.kind IN ('SALE', 'SALE_REVERSED') AND within(x.invoice_id, invoice)) sales
 GROUP BY invoice_id)
"""


def _differs(column: str) -> str:
    """Whether the snapshot says something else."""
    told = f"COALESCE(CAST(i.snapshot ->> '{column}' AS TEXT), '')"
    return f"{told} <> COALESCE(CAST(i.{column} AS TEXT), '')"


def _any_differs(*columns: str) -> str:
    return " OR ".join(map(_differs, columns))


#: A document that came from elsewhere has another number, and its reference is nobody's here.
_SNAPSHOT: Final = (
    _any_differs("kind", "currency", "subtotal", "tax", "total", "reference")
    + f" OR {in_a_series('i.number')} AND ({_any_differs('number', 'transfer_reference')})"
)

#: What the ledger has in sales of it: by credit, which its lines tell of, and by gateways.
_SOLD: Final = "COALESCE(c.sold, 0) + COALESCE(s.by_gateways, 0)"

INVOICES: Final = Sweep(
    f"""i.number, i.status, i.kind, i.currency, i.total, i.subtotal, i.tax, i.amount_paid,
       i.credit_applied, i.account_id AS account, COALESCE(p.applied, 0) AS applied,
       COALESCE(c.spent, 0) AS spent, {_SOLD} AS sold,
       COALESCE(l.total, 0) AS of_lines""",
    """invoice i LEFT JOIN account a ON a.id = i.account_id
       LEFT JOIN paid p ON p.invoice_id = i.id LEFT JOIN rows_of l ON l.invoice_id = i.id
       LEFT JOIN credit c ON c.invoice_id = i.id LEFT JOIN sold s ON s.invoice_id = i.id""",
    (
        Check(
            "invoice-client",
            "a.id IS NULL",
            "invoice {number}: belongs to account {account}, which doesn't exist",
        ),
        Check(
            "invoice-lines",
            "i.subtotal <> COALESCE(l.total, 0) OR i.total <> i.subtotal + i.tax",
            "invoice {number}: its lines come to {of_lines:money}, but its subtotal is"
            " {subtotal:money} and its total {total:money}",
        ),
        Check(
            "invoice-snapshot",
            f"broken(i.snapshot) OR {_SNAPSHOT}",
            "invoice {number}: for {total:money}, differs from what its document said when it was"
            " issued",
        ),
        Check(
            "invoice-snapshot-lines",
            "(i.snapshot -> 'lines' -> l.count) IS NOT NULL",
            "invoice {number}: its document has more lines than the invoice",
        ),
        Check(
            "invoice-tax",
            "ABS(i.tax - l.tax) > 0.5 * l.rates + 0.5",
            "invoice {number}: {tax:money} is not the tax on its lines",
        ),
        Check(
            "invoice-paid",
            """i.amount_paid <> i.credit_applied + COALESCE(p.applied, 0)
               OR i.amount_paid < 0 OR i.amount_paid > i.total""",
            "invoice {number}: {amount_paid:money} of {total:money} is paid, but credit came to"
            " {credit_applied:money} and payments to {applied:money}",
        ),
        Check(
            "invoice-credit",
            "i.status <> 'VOID' AND i.credit_applied <> COALESCE(c.spent, 0)",
            "invoice {number}: {credit_applied:money} of credit is applied, but the credit"
            " statement says {spent:money}",
        ),
        Check(
            "invoice-sales",
            f"""{_SOLD} <> CASE WHEN i.kind = 'FUNDS' OR i.status = 'VOID' THEN 0
                              ELSE i.amount_paid END""",
            "invoice {number}: {status} with {amount_paid:money} paid, but {sold:money} of it is"
            " in sales",
        ),
        Check(
            "invoice-covered",
            "(i.status = 'PAID') <> (i.amount_paid = i.total)",
            "invoice {number}: {status}, but {amount_paid:money} of {total:money} is paid",
        ),
        Check(
            "invoice-processing",
            "i.status = 'PROCESSING' AND COALESCE(p.in_process, 0) = 0",
            "invoice {number}: PROCESSING, but none of its payments is",
        ),
        Check(
            "invoice-refunded",
            """i.status = 'REFUNDED' AND (i.kind <> 'FUNDS' OR COALESCE(p.returned, 0) = 0)""",
            "invoice {number}: REFUNDED, but no money of it went back",
        ),
        Check(
            "invoice-due-again",
            f"""i.kind = 'FUNDS' AND i.status IN {PAYABLE_SQL}
               AND (i.paid_at IS NOT NULL OR p.most >= i.total)""",
            "invoice {number}: {status}, but its deposit has already come in",
        ),
        Check(
            "invoice-paid-when",
            """(i.status = 'PAID' AND i.paid_at IS NULL)
               OR (i.kind = 'ORDER' AND i.paid_at IS NOT NULL AND i.status NOT IN ('PAID', 'VOID'))
            """,
            "invoice {number}: {status}, but its payment date says otherwise",
        ),
        Check(
            "invoice-void",
            """(i.status = 'VOID') <> (i.voided_at IS NOT NULL)
               OR (i.status = 'VOID') <> (i.void_reason IS NOT NULL)
               OR (i.status = 'VOID' AND (i.amount_paid <> 0 OR i.credit_applied <> 0))
               OR (i.kind = 'FUNDS' AND i.status = 'VOID' AND COALESCE(c.deposited, 0) > 0)""",
            "invoice {number}: {status}, but its void date, reason or amounts say otherwise",
        ),
        Check(
            "invoice-credit-note",
            """(COALESCE(c.returned, 0) > 0 AND i.credit_note_number IS NULL)
               OR (i.credit_note_number IS NOT NULL
                   AND (i.status <> 'VOID' OR i.kind <> 'ORDER'))""",
            "invoice {number}: {status}, but it has a credit note it shouldn't have, or lacks one",
        ),
    ),
    head=_PARTS,
    scope="within(i.account_id)",
)


def _line_differs(column: str) -> str:
    there = f"(i.snapshot -> 'lines' -> CAST(l.position AS INTEGER)) ->> '{column}'"
    return f"COALESCE(CAST({there} AS TEXT), '') <> CAST(l.{column} AS TEXT)"


INVOICE_LINES: Final = Sweep(
    "COALESCE(i.number, CAST(l.invoice_id AS TEXT)) AS number, l.position, l.total, i.currency",
    "invoice_line l LEFT JOIN invoice i ON i.id = l.invoice_id",
    (
        Check(
            "invoice-line-orphan",
            "i.id IS NULL OR broken(i.snapshot)",
            "invoice {number}: has lines, but doesn't exist or can't be read",
        ),
        Check(
            "invoice-line",
            " OR ".join(
                _line_differs(column)
                for column in ("description", "quantity", "unit_price", "tax_rate", "total")
            ),
            "invoice {number}: line {position} for {total:money} is not what its document said",
        ),
    ),
    scope="""l.id IN (SELECT id FROM invoice_line WHERE within(invoice_id, invoice)
                    UNION SELECT id FROM invoice_line WHERE recent(id))""",
)

#: Both are final: who takes an invoice back is in the audit log.
VOIDS: Final = Sweep(
    "v.invoice",
    f"""(SELECT invoice, SUM(n) AS n FROM (
          SELECT {public("inv", "i.id")} AS invoice, 1 AS n FROM invoice i
           WHERE i.status = 'VOID' AND within(i.account_id)
          UNION ALL SELECT DISTINCT e.subject, -1 FROM audit_entry e
           WHERE e.action = 'invoice.void' AND named(e.subject, inv, invoice)) every
        GROUP BY invoice) v""",
    (
        Check(
            "invoice-void-by",
            "v.n <> 0",
            "{invoice}: is void but the audit log doesn't say by whom, or the audit log says so"
            " and it isn't",
        ),
    ),
    scope="TRUE",
)

COUNTS: Final = Sweep(
    "c.account_id AS account, c.counted, c.there",
    """(SELECT account_id, SUM(counted) AS counted, SUM(there) AS there FROM (
          SELECT n.account_id, n.invoices AS counted, 0 AS there FROM invoice_count n
           WHERE within(n.account_id)
          UNION ALL SELECT i.account_id, 0, COUNT(*) FROM invoice i WHERE within(i.account_id)
           GROUP BY i.account_id) every
        GROUP BY account_id) c""",
    (
        Check(
            "invoice-count",
            "c.counted <> c.there",
            "account {account}: {counted} invoices are counted, and it has {there}",
        ),
    ),
    scope="TRUE",
)

SWEEPS: Final = (INVOICES, INVOICE_LINES, VOIDS, COUNTS)
