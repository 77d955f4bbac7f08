"""Checks of the numbers and references that invoices were given."""

from __future__ import annotations

from typing import Final

from models.audit.check import Check, Sweep, public

_DIGITS: Final = "'0123456789'"


def in_a_series(number: str) -> str:
    """SQL: whether the column has a number of ours, `INV-2026-000042`. Invoices that were loaded
    from elsewhere keep theirs.
    """
    return f"RTRIM({number}, {_DIGITS}) LIKE '%-____-'"


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
            "series {series}: {given_out} numbers were given out, but it has {used} documents,"
            " the last of them {last}",
        ),
    ),
    head=f"""used AS MATERIALIZED (
SELECT number, RTRIM(RTRIM(number, {_DIGITS}), '-') AS series,
       SUBSTR(number, LENGTH(RTRIM(number, {_DIGITS})) + 1) AS digits
  FROM (SELECT number FROM invoice
        UNION ALL SELECT credit_note_number FROM invoice) n
 WHERE {in_a_series("number")})
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
            "{payment}: has the reference {reference}, which belongs to invoice {number}",
        ),
    ),
    scope="within(p.account_id)",
)

SWEEPS: Final = (SERIES, REFERENCES)
