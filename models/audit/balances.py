"""Checks of statement lines, and of the balances that they come to."""

from __future__ import annotations

from typing import Final

from models.audit.check import Check, Sweep, hexed
from models.audit.ledger import CLIENTS, NET
from models.audit.numbers import in_a_series
from models.db import sql
from models.ledger.credit_transaction import StatementLineKind

_SETTLED: Final = sql.literals(("DEPOSIT", "OVERPAYMENT", "DEPOSIT_REINSTATED", "DEPOSIT_REVERSED"))
_SPENT: Final = sql.literals(("INVOICE_PAYMENT", "INVOICE_PAYMENT_RETURNED"))

#: What the transfers of each line do to credit less debt, to debt, and to promotional credit (NULL
#: where it has none); and who had what moves behind the statement: credit that was held, a debt
#: that it repaid afterwards.
_LEGS: Final = f"""
legs AS (
SELECT t.credit_transaction_id AS line,
       SUM(CASE WHEN b.kind IN {sql.literals(CLIENTS)} THEN t.amount ELSE 0 END
         - CASE WHEN a.kind IN {sql.literals(CLIENTS)} THEN t.amount ELSE 0 END) AS moved,
       SUM(CASE WHEN a.kind = 'DEBT' THEN t.amount WHEN b.kind = 'DEBT' THEN -t.amount ELSE 0 END)
         AS owed,
       SUM(CASE WHEN b.kind = 'GRANT' THEN t.amount ELSE 0 END
         - CASE WHEN a.kind = 'GRANT' THEN t.amount ELSE 0 END) AS granted
  FROM transfer t JOIN ledger_account a ON a.id = t.from_id JOIN ledger_account b ON b.id = t.to_id
 WHERE t.credit_transaction_id IS NOT NULL AND within(t.credit_transaction_id, credit_transaction)
 GROUP BY t.credit_transaction_id
UNION ALL SELECT c.id, NULL, NULL, NULL FROM credit_transaction c
 WHERE within(c.account_id)
   AND NOT EXISTS (SELECT 1 FROM transfer t WHERE t.credit_transaction_id = c.id)),
holders AS MATERIALIZED (
SELECT DISTINCT account_id, currency FROM credit_hold WHERE within(account_id)),
repaid AS MATERIALIZED (
SELECT DISTINCT account_id, currency FROM transfer
 WHERE kind = 'DEBT_REPAID' AND credit_transaction_id IS NULL AND within(account_id))
"""

LINES: Final = Sweep(
    """c.id AS line, c.kind, c.version, c.amount, c.currency, COALESCE(m.moved, 0) AS moved,
       c.account_id AS account""",
    # The lines come in the order of their transfers: SQLite keeps nothing of a million of them.
    """legs m LEFT JOIN credit_transaction c ON c.id = m.line
       LEFT JOIN credit_transaction b ON b.account_id = c.account_id
            AND b.currency = c.currency AND b.version = c.version - 1
       LEFT JOIN payment p ON p.id = c.payment_id
       LEFT JOIN invoice i ON i.id = c.invoice_id
       LEFT JOIN redemption r ON c.kind = 'VOUCHER' AND r.credit_transaction_id = c.id
       LEFT JOIN voucher v ON v.id = r.voucher_id""",
    (
        Check(
            "line-kind",
            f"c.kind NOT IN {sql.literals(StatementLineKind)}",
            "credit transaction {line}: there is no such kind as {kind}",
        ),
        Check(
            "line-amount",
            "m.moved IS NULL OR m.moved <> c.amount",
            "credit transaction {line}: for {amount:money}, but its transfers move {moved:money}",
        ),
        Check(
            "line-balance",
            """c.balance_after <> COALESCE(b.balance_after, 0) + c.amount
               OR c.balance_after <> c.available_after + c.reserved_after - c.debt_after""",
            "credit transaction {line}: its balance is not the balance before it plus its amount",
        ),
        Check(
            "line-debt",
            """c.debt_after <> COALESCE(b.debt_after, 0) + m.owed
               AND (c.account_id, c.currency) NOT IN (SELECT account_id, currency FROM repaid)""",
            "credit transaction {line}: its debt is not the debt before it plus what it added or"
            " repaid",
        ),
        Check(
            "line-promotional",
            """(c.reserved_after <> 0
                OR c.promotional_after <> COALESCE(b.promotional_after, 0) + m.granted)
               AND (c.account_id, c.currency) NOT IN (SELECT account_id, currency FROM holders)""",
            "credit transaction {line}: its promotional or reserved credit doesn't follow from"
            " the line before it",
        ),
        Check(
            "line-payment",
            f"""(c.kind IN {_SETTLED} AND p.id IS NULL)
               OR (c.payment_id IS NOT NULL AND (p.id IS NULL OR p.account_id <> c.account_id
                   OR p.currency <> c.currency OR (p.invoice_id <> COALESCE(c.invoice_id, c.id)
                       AND NOT EXISTS (SELECT 1 FROM payment_allocation x WHERE x.payment_id = p.id
                                          AND x.invoice_id = c.invoice_id))))""",
            "credit transaction {line}: {kind} of {amount:money} has no payment of the same"
            " client, currency and invoice",
        ),
        Check(
            "line-invoice",
            f"""(c.kind IN {_SPENT} AND i.id IS NULL)
               OR (c.invoice_id IS NOT NULL AND (i.id IS NULL OR i.account_id <> c.account_id
                   OR i.currency <> c.currency))""",
            "credit transaction {line}: {kind} of {amount:money} has no invoice of the same"
            " client and currency",
        ),
        Check(
            "line-source",
            f"""((c.kind IN {_SETTLED} OR (c.kind = 'DEBT_REPAID' AND c.payment_id IS NOT NULL))
                 AND NOT EXISTS (SELECT 1 FROM settlement s WHERE s.payment_id = c.payment_id
                                    AND {hexed("s.id")} = substr(c.source, 1, 32)))
               OR (c.kind = 'INVOICE_PAYMENT' AND c.payment_id IS NOT NULL
                   AND c.source <> {hexed("c.payment_id")} || COALESCE(
                       (SELECT ':' || CAST(x.place AS TEXT) FROM payment_allocation x
                         WHERE x.payment_id = c.payment_id AND x.invoice_id = c.invoice_id), ''))
               OR (c.kind = 'INVOICE_PAYMENT_RETURNED' AND c.source <> {hexed("c.invoice_id")})
               OR (c.kind = 'EXPIRY'
                   AND c.source <> substr(c.source, 1, 32) || ':' || CAST(c.version AS TEXT))
            """,
            "credit transaction {line}: {kind} of {amount:money} has no known cause",
        ),
        Check(
            "line-voucher",
            f"""(c.kind = 'VOUCHER') <> (r.id IS NOT NULL)
               OR {hexed("r.id")} <> c.source OR r.account_id <> c.account_id""",
            "credit transaction {line}: {kind} of {amount:money} and the redemptions of vouchers"
            " don't match",
        ),
        Check(
            "line-note",
            f"""c.note <> COALESCE(i.number, v.note, c.note)
               AND (i.id IS NULL OR {in_a_series("i.number")})""",
            "credit transaction {line}: its note is neither the invoice's number nor the"
            " voucher's note",
        ),
        Check(
            "line-refundable",
            "c.refundable AND c.kind NOT IN ('DEPOSIT', 'OVERPAYMENT')",
            "credit transaction {line}: {kind} is marked refundable, which only deposits and"
            " overpayments can be",
        ),
    ),
    head=_LEGS,
    scope="TRUE",
)

_SAME: Final = "account_id = b.account_id AND {0}.currency = b.currency"

BALANCES: Final = Sweep(
    """b.id AS balance, b.account_id AS account, b.currency, b.available, b.reserved, b.version,
       COALESCE(h.held, 0) AS held, COALESCE(c.lines, 0) AS lines""",
    f"""balance b LEFT JOIN account a ON a.id = b.account_id
       LEFT JOIN (SELECT l.account_id, l.currency,
              SUM(CASE WHEN l.kind = 'DEPOSITED' THEN COALESCE(n.net, 0) ELSE 0 END) AS deposited,
              SUM(CASE WHEN l.kind = 'GRANT' THEN COALESCE(n.net, 0) ELSE 0 END) AS granted,
              SUM(CASE WHEN l.kind = 'HELD' THEN COALESCE(n.net, 0) ELSE 0 END) AS held,
              SUM(CASE WHEN l.kind = 'DEBT' THEN -COALESCE(n.net, 0) ELSE 0 END) AS owed,
              SUM(CASE WHEN l.kind = 'DEPOSITED' THEN 1 ELSE 0 END) AS of_deposits,
              SUM(CASE WHEN l.kind = 'HELD' THEN 1 ELSE 0 END) AS of_holds,
              SUM(CASE WHEN l.kind = 'DEBT' THEN 1 ELSE 0 END) AS of_debt
            FROM ledger_account l LEFT JOIN net n ON n.id = l.id
           WHERE l.account_id IS NOT NULL AND within(l.account_id)
           GROUP BY l.account_id, l.currency) s
         ON s.{_SAME.format("s")}
       LEFT JOIN (SELECT account_id, currency, COUNT(*) AS lines, MAX(version) AS last
                    FROM credit_transaction WHERE within(account_id)
                   GROUP BY account_id, currency) c
         ON c.{_SAME.format("c")}
       LEFT JOIN credit_transaction e ON e.{_SAME.format("e")} AND e.version = b.version
       LEFT JOIN (SELECT account_id, currency, SUM(amount) AS held FROM credit_hold
                   WHERE state = 'OPEN' AND within(account_id) GROUP BY account_id, currency) h
         ON h.{_SAME.format("h")}""",
    (
        Check(
            "balance-client",
            "a.id IS NULL",
            "balance {balance}: belongs to account {account}, which doesn't exist",
        ),
        Check(
            "balance-accounts",
            """COALESCE(s.of_deposits, 0) <> 1 OR COALESCE(s.of_holds, 0) <> 1
               OR COALESCE(s.of_debt, 0) <> 1""",
            "account {account}: doesn't have exactly one ledger account each for deposits, holds"
            " and debt in {currency}",
        ),
        Check(
            "balance-transfers",
            """b.available <> s.deposited + s.granted OR b.promotional <> s.granted
               OR b.reserved <> s.held OR b.debt <> s.owed""",
            "account {account}: its balance in {currency} is not the sum of its transfers",
        ),
        Check(
            "balance-version",
            "b.version <> COALESCE(c.lines, 0) OR b.version <> COALESCE(c.last, 0)",
            "account {account}: its balance in {currency} is at version {version}, but it has"
            " {lines} credit transactions, or a version is missing",
        ),
        Check(
            "balance-line",
            """b.available + b.reserved - b.debt <> COALESCE(e.balance_after, 0)
               OR b.debt > COALESCE(e.debt_after, 0)""",
            "account {account}: its balance in {currency} is not the one after its last credit"
            " transaction",
        ),
        Check(
            "balance-holds",
            "b.reserved <> COALESCE(h.held, 0)",
            "account {account}: {reserved:money} is reserved, but its open holds come to"
            " {held:money}",
        ),
    ),
    head=NET,
    scope="within(b.account_id)",
)

TOTALS: Final = Sweep(
    "s.currency, s.net",
    """(SELECT l.currency, SUM(n.net) AS net FROM net n JOIN ledger_account l ON l.id = n.id
         GROUP BY l.currency) s""",
    (Check("totals", "s.net <> 0", "{currency}: debits and credits differ by {net:money}"),),
    head=NET,
)

SWEEPS: Final = (LINES, BALANCES, TOTALS)
