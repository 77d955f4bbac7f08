"""Checks of what is owed: an invoice is what it said when issued, and has what was paid of it."""

from __future__ import annotations

from typing import Final

from models.audit.check import Check, Sweep, public

_PAYABLE: Final = "('UNPAID', 'PROCESSING')"

#: What each invoice has of payments, of lines, of the statement, and of the ledger's sales.
_PARTS: Final = """
WITH paid AS MATERIALIZED (
SELECT invoice_id, SUM(applied) AS applied,
       MAX(CASE WHEN status = 'PROCESSING' THEN 1 ELSE 0 END) AS in_process,
       MAX(CASE WHEN taken_back > 0 THEN 1 ELSE 0 END) AS returned,
       MAX(received - fee) AS most
  FROM payment GROUP BY invoice_id),
rows_of AS MATERIALIZED (
SELECT invoice_id, CAST(COUNT(*) AS INTEGER) AS count, SUM(total) AS total,
       SUM(total * CAST(tax_rate AS NUMERIC)) AS tax, COUNT(DISTINCT tax_rate) AS rates
  FROM invoice_line GROUP BY invoice_id),
credit AS MATERIALIZED (
SELECT invoice_id, SUM(CASE WHEN kind = 'INVOICE_PAYMENT' THEN -amount ELSE 0 END) AS spent,
       SUM(CASE WHEN kind IN ('INVOICE_PAYMENT', 'INVOICE_PAYMENT_RETURNED') THEN -amount
                ELSE 0 END) AS sold,
       SUM(CASE WHEN kind = 'INVOICE_PAYMENT_RETURNED' THEN 1 ELSE 0 END) AS returned,
       SUM(CASE WHEN kind = 'DEPOSIT' THEN 1 ELSE 0 END) AS deposited
  FROM credit_transaction WHERE invoice_id IS NOT NULL GROUP BY invoice_id),
sold AS MATERIALIZED (
SELECT p.invoice_id, SUM(CASE t.kind WHEN 'SALE' THEN t.amount ELSE -t.amount END) AS by_gateways
  FROM transfer t JOIN payment p ON p.id = t.payment_id
 WHERE t.kind IN ('SALE', 'SALE_REVERSED') GROUP BY p.invoice_id)
"""


def _differs(column: str) -> str:
    """Whether the snapshot says something else."""
    told = f"COALESCE(CAST(i.snapshot ->> '{column}' AS TEXT), '')"
    return f"{told} <> COALESCE(CAST(i.{column} AS TEXT), '')"


_SNAPSHOT: Final = " OR ".join(
    _differs(column)
    for column in (
        *("number", "kind", "currency", "subtotal", "tax", "total"),
        *("reference", "transfer_reference"),
    )
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
            "invoice-client", "a.id IS NULL", "invoice {number}: its client {account} is not there"
        ),
        Check(
            "invoice-lines",
            "i.subtotal <> COALESCE(l.total, 0) OR i.total <> i.subtotal + i.tax",
            "invoice {number}: its lines make {of_lines:money}, it says {subtotal:money} and"
            " {total:money} with tax",
        ),
        Check(
            "invoice-snapshot",
            f"broken(i.snapshot) OR {_SNAPSHOT}",
            "invoice {number}: over {total:money} in {currency}, and its document said something"
            " else when it was issued",
        ),
        Check(
            "invoice-snapshot-lines",
            "(i.snapshot -> 'lines' -> l.count) IS NOT NULL",
            "invoice {number}: its document has more lines than it",
        ),
        Check(
            "invoice-tax",
            "ABS(i.tax - l.tax) > 0.5 * l.rates + 0.5",
            "invoice {number}: {tax:money} is not the tax of its lines",
        ),
        Check(
            "invoice-paid",
            """i.amount_paid <> i.credit_applied + COALESCE(p.applied, 0)
               OR i.amount_paid < 0 OR i.amount_paid > i.total""",
            "invoice {number}: {amount_paid:money} paid, {credit_applied:money} of credit and"
            " {applied:money} of payments is another sum",
        ),
        Check(
            "invoice-credit",
            "i.status <> 'VOID' AND i.credit_applied <> COALESCE(c.spent, 0)",
            "invoice {number}: {credit_applied:money} credit applied, the statement says"
            " {spent:money}",
        ),
        Check(
            "invoice-sales",
            f"""{_SOLD} <> CASE WHEN i.kind = 'FUNDS' OR i.status = 'VOID' THEN 0
                              ELSE i.amount_paid END""",
            "invoice {number}: {status} with {amount_paid:money} paid, and {sold:money} of it is"
            " in sales",
        ),
        Check(
            "invoice-covered",
            "(i.status = 'PAID') <> (i.amount_paid = i.total)",
            "invoice {number}: {status}, and {amount_paid:money} of {total:money} is paid",
        ),
        Check(
            "invoice-processing",
            "i.status = 'PROCESSING' AND COALESCE(p.in_process, 0) = 0",
            "invoice {number}: PROCESSING, and no payment of it is",
        ),
        Check(
            "invoice-refunded",
            """i.status = 'REFUNDED' AND (i.kind <> 'FUNDS' OR COALESCE(p.returned, 0) = 0)""",
            "invoice {number}: REFUNDED, and nothing of it went back",
        ),
        Check(
            "invoice-due-again",
            f"""i.kind = 'FUNDS' AND i.status IN {_PAYABLE}
               AND (i.paid_at IS NOT NULL OR p.most >= i.total)""",
            "invoice {number}: {status}, and its deposit has come in before",
        ),
        Check(
            "invoice-paid-when",
            """(i.status = 'PAID' AND i.paid_at IS NULL)
               OR (i.kind = 'ORDER' AND i.paid_at IS NOT NULL AND i.status NOT IN ('PAID', 'VOID'))
            """,
            "invoice {number}: {status}, and when it was paid says something else",
        ),
        Check(
            "invoice-void",
            """(i.status = 'VOID') <> (i.voided_at IS NOT NULL)
               OR (i.status = 'VOID') <> (i.void_reason IS NOT NULL)
               OR (i.status = 'VOID' AND (i.amount_paid <> 0 OR i.credit_applied <> 0))
               OR (i.kind = 'FUNDS' AND i.status = 'VOID' AND COALESCE(c.deposited, 0) > 0)""",
            "invoice {number}: {status}, and what happens when it is taken back has not happened",
        ),
        Check(
            "invoice-credit-note",
            """(COALESCE(c.returned, 0) > 0 AND i.credit_note_number IS NULL)
               OR (i.credit_note_number IS NOT NULL
                   AND (i.status <> 'VOID' OR i.kind <> 'ORDER'))""",
            "invoice {number}: {status}, and it has a credit note that it should not, or none",
        ),
    ),
    head=_PARTS,
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
            "invoice {number}: has a line, and is not there or cannot be read",
        ),
        Check(
            "invoice-line",
            " OR ".join(
                _line_differs(column)
                for column in ("description", "quantity", "unit_price", "tax_rate", "total")
            ),
            "invoice {number}: line {position} over {total:money} is not what its document said",
        ),
    ),
)

#: Both are final: who takes an invoice back is in the audit log.
VOIDS: Final = Sweep(
    "v.invoice",
    f"""(SELECT invoice, SUM(n) AS n FROM (
          SELECT {public("inv", "i.id")} AS invoice, 1 AS n FROM invoice i WHERE i.status = 'VOID'
          UNION ALL SELECT DISTINCT e.subject, -1 FROM audit_entry e
           WHERE e.action = 'invoice.void') every GROUP BY invoice) v""",
    (
        Check(
            "invoice-void-by",
            "v.n <> 0",
            "{invoice}: void and nobody took it back, or taken back and not void",
        ),
    ),
)

# ------------------------------------------------------------------------------- numbers

_DIGITS: Final = "'0123456789'"

SERIES: Final = Sweep(
    """COALESCE(s.name, u.series) AS series, COALESCE(s.last_number, 0) AS given_out,
       COALESCE(u.used, 0) AS used, COALESCE(u.last, '-') AS last""",
    """(SELECT name AS series FROM number_series UNION SELECT series FROM used) every
       LEFT JOIN number_series s ON s.name = every.series
       LEFT JOIN (SELECT series, COUNT(*) AS used, MAX(number) AS last,
              MIN(CAST(CASE WHEN LENGTH(digits) BETWEEN 6 AND 18 THEN digits ELSE '0' END
                       AS BIGINT)) AS first_one,
              MAX(CAST(CASE WHEN LENGTH(digits) BETWEEN 6 AND 18 THEN digits ELSE '0' END
                       AS BIGINT)) AS last_one,
              MAX(CASE WHEN number = series || '-' || digits THEN 0 ELSE 1 END) AS odd
            FROM used GROUP BY series) u ON u.series = every.series""",
    (
        Check(
            "series",
            """s.name IS NULL OR s.last_number <> COALESCE(u.used, 0)
               OR u.first_one <> 1 OR u.last_one <> s.last_number OR u.odd = 1""",
            "series {series}: {given_out} numbers given out, {used} documents, the last of them"
            " {last}",
        ),
    ),
    head=f"""WITH used AS MATERIALIZED (
SELECT number, RTRIM(RTRIM(number, {_DIGITS}), '-') AS series,
       SUBSTR(number, LENGTH(RTRIM(number, {_DIGITS})) + 1) AS digits
  FROM (SELECT number FROM invoice
        UNION ALL SELECT credit_note_number FROM invoice WHERE credit_note_number IS NOT NULL) n)
""",
)

#: What pays an invoice before anybody has begun a payment pays that invoice.
REFERENCES: Final = Sweep(
    f"""{public("pay", "p.id")} AS payment, p.reference, i.number""",
    "payment p JOIN invoice i ON i.transfer_reference = p.reference",
    (
        Check(
            "payment-reference",
            "i.id <> p.invoice_id",
            "{payment}: is to be paid under {reference}, which is invoice {number}'s",
        ),
    ),
)

SWEEPS: Final = (INVOICES, INVOICE_LINES, VOIDS, SERIES, REFERENCES)
