"""Checks of the ledger: transfers, the accounts between which they move, statement lines, balances.

Each begins at what is written down and asks whether the rest of the books agrees with it.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from models.audit.check import Check, Sweep, any_of, hexed
from models.db import sql
from models.ledger.chart import LedgerKind, LineKind, MoveKind, house_account

_CLIENTS: Final = ("DEPOSITED", "GRANT", "HELD", "DEBT")
#: What is only ever behind the statement, and what is only ever on it; a debt is repaid by both.
_MOVES: Final = frozenset(kind.value for kind in MoveKind) - frozenset(LineKind)
_LINES: Final = frozenset(kind.value for kind in LineKind) - frozenset(MoveKind)
_HOLDS: Final = (MoveKind.HOLD.value, MoveKind.HOLD_RELEASED.value)

#: From where to where each kind moves money: DESIGN, "What each event books".
POSTINGS: Final[dict[str, tuple[str, ...]]] = {
    LineKind.DEPOSIT: ("CLEARING>DEPOSITED",),
    LineKind.OVERPAYMENT: ("CLEARING>DEPOSITED",),
    LineKind.DEBT_REPAID: ("CLEARING>DEBT", "DEPOSITED>DEBT"),
    LineKind.DEPOSIT_REINSTATED: ("CLEARING>DEPOSITED", "CLEARING>DEBT"),
    LineKind.DEPOSIT_REVERSED: ("DEPOSITED>CLEARING", "DEBT>CLEARING"),
    LineKind.VOUCHER: ("PROMOTIONS>GRANT",),
    LineKind.EXPIRY: ("GRANT>PROMOTIONS",),
    LineKind.INVOICE_PAYMENT: ("GRANT>SALES", "DEPOSITED>SALES"),
    LineKind.INVOICE_PAYMENT_RETURNED: ("SALES>GRANT", "SALES>DEPOSITED", "SALES>DEBT"),
    LineKind.ADJUSTMENT: (
        "ADJUSTMENTS>DEPOSITED",
        "ADJUSTMENTS>DEBT",
        "DEPOSITED>ADJUSTMENTS",
    ),
    MoveKind.SALE: ("CLEARING>SALES",),
    MoveKind.SALE_REVERSED: ("SALES>CLEARING",),
    MoveKind.FEE: ("CLEARING>FEE_INCOME",),
    MoveKind.FEE_REVERSED: ("FEE_INCOME>CLEARING",),
    MoveKind.HOLD: ("GRANT>HELD", "DEPOSITED>HELD"),
    MoveKind.HOLD_RELEASED: ("HELD>GRANT", "HELD>DEPOSITED"),
}
_POSTINGS: Final = tuple(f"{kind}:{way}" for kind, ways in POSTINGS.items() for way in ways)

#: What came in less what went out, by ledger account; indexes of (side, amount) hold all of it.
NET: Final = """
net AS MATERIALIZED (
SELECT id, SUM(amount) AS net FROM (
  SELECT to_id AS id, SUM(amount) AS amount FROM transfer GROUP BY to_id
  UNION ALL SELECT from_id, -SUM(amount) FROM transfer GROUP BY from_id) sides GROUP BY id)
"""

# ------------------------------------------------------------------------------- transfers

_OF_A_SETTLEMENT: Final = f"""
EXISTS (SELECT 1 FROM settlement s WHERE s.payment_id = t.payment_id AND {hexed("s.id")} = t.source)
"""

TRANSFERS: Final = Sweep(
    """t.id AS transfer, t.kind, t.amount, t.currency, t.source, a.kind AS out_of,
       b.kind AS goes_into, t.payment_id AS payment""",
    """transfer t LEFT JOIN ledger_account a ON a.id = t.from_id
       LEFT JOIN ledger_account b ON b.id = t.to_id
       LEFT JOIN credit_transaction c ON c.id = t.credit_transaction_id
       LEFT JOIN payment p ON p.id = t.payment_id""",
    (
        Check(
            "transfer-accounts",
            """a.id IS NULL OR b.id IS NULL OR a.currency <> t.currency OR b.currency <> t.currency
               OR t.amount <= 0 OR t.from_id = t.to_id""",
            "transfer {transfer}: not between two ledger accounts of its currency",
        ),
        Check(
            "transfer-posting",
            f"t.kind || ':' || a.kind || '>' || b.kind NOT IN {any_of(_POSTINGS)}",
            "transfer {transfer}: {kind} never moves money from {out_of} to {goes_into}",
        ),
        Check(
            "transfer-client",
            """COALESCE(a.account_id, t.account_id) <> t.account_id
               OR COALESCE(b.account_id, t.account_id) <> t.account_id""",
            "transfer {transfer}: booked for one client, and moves the credit of another",
        ),
        Check(
            "transfer-line",
            f"""(t.credit_transaction_id IS NULL AND (t.kind IN {any_of(_LINES)}
                OR (t.kind = 'DEBT_REPAID' AND a.kind <> 'DEPOSITED')))
               OR (t.credit_transaction_id IS NOT NULL AND (t.kind IN {any_of(_MOVES)}
                OR (t.kind = 'DEBT_REPAID' AND a.kind <> 'CLEARING') OR c.id IS NULL
                OR c.kind <> t.kind OR c.source <> t.source OR c.account_id <> t.account_id
                OR c.currency <> t.currency
                OR COALESCE(c.payment_id, c.id) <> COALESCE(t.payment_id, c.id)))""",
            "transfer {transfer}: {kind} of {amount:money}, not what its statement line tells of",
        ),
        Check(
            "transfer-unpaid",
            "t.payment_id IS NULL AND (a.kind = 'CLEARING' OR b.kind = 'CLEARING')",
            "transfer {transfer}: through a gateway's clearing, for no payment",
        ),
        Check(
            "transfer-payment",
            f"""t.payment_id IS NOT NULL AND t.kind NOT IN {any_of(_HOLDS)} AND (p.id IS NULL
               OR p.account_id <> t.account_id OR p.currency <> t.currency
               OR COALESCE(a.gateway, p.gateway) <> p.gateway
               OR COALESCE(b.gateway, p.gateway) <> p.gateway)""",
            "transfer {transfer}: its payment {payment} is another client's, of another currency or"
            " gateway, or not there",
        ),
        Check(
            "transfer-source",
            f"""(t.kind IN ('SALE', 'SALE_REVERSED', 'FEE', 'FEE_REVERSED')
                AND NOT {_OF_A_SETTLEMENT})
               OR (t.kind IN {any_of(_HOLDS)} AND (t.payment_id IS NULL
                   OR substr(t.source, 1, 32) <> {hexed("t.payment_id")}))""",
            "transfer {transfer}: {kind} of {amount:money} comes of nothing that was settled",
        ),
        Check(
            "transfer-hold",
            """t.kind = 'HOLD' AND NOT EXISTS
               (SELECT 1 FROM credit_hold h WHERE h.payment_id = t.payment_id)""",
            "transfer {transfer}: holds {amount:money}, and there is no such hold",
        ),
    ),
)

# ------------------------------------------------------------------------------- its accounts

LEDGER_ACCOUNTS: Final = Sweep(
    "l.id AS ledger_account, l.kind, l.currency, l.account_id AS account",
    """ledger_account l LEFT JOIN account a ON a.id = l.account_id
       LEFT JOIN balance b ON b.account_id = l.account_id AND b.currency = l.currency
       LEFT JOIN credit_grant g ON g.id = l.id""",
    (
        Check(
            "ledger-account-kind",
            f"""l.kind NOT IN {any_of(tuple(kind.value for kind in LedgerKind))}
               OR (l.kind IN {any_of(_CLIENTS)}) <> (l.account_id IS NOT NULL)
               OR (l.kind = 'CLEARING') <> (l.gateway IS NOT NULL)""",
            "ledger account {ledger_account}: {kind} does not go with whose it is",
        ),
        Check(
            "ledger-account-grant",
            """(l.kind = 'GRANT') <> (g.id IS NOT NULL)
               OR g.account_id <> l.account_id OR g.currency <> l.currency""",
            "ledger account {ledger_account}: {kind} in {currency} is not its grant's, or has none",
        ),
        Check(
            "ledger-account-client",
            "l.account_id IS NOT NULL AND a.id IS NULL",
            "ledger account {ledger_account}: its client {account} is not there",
        ),
        Check(
            "balance-missing",
            "l.account_id IS NOT NULL AND b.id IS NULL",
            "account {account}: has a ledger account in {currency} and no balance",
        ),
    ),
)


def _is_another(row: sql.Row) -> bool:
    try:
        kind = LedgerKind(row["kind"])
    except ValueError:
        return True
    opened_as: UUID = row["id"]
    return house_account(kind, row["currency"], row["gateway"]).id != opened_as


#: Their ids follow from what they are, which SQL cannot work out.
HOUSE: Final = Sweep(
    "l.id, l.kind, l.currency, l.gateway",
    "ledger_account l",
    (
        Check(
            "house-account",
            "l.account_id IS NULL",
            "ledger account {id}: {kind} in {currency}, and was not opened as that",
        ),
    ),
    judge=_is_another,
)

# ------------------------------------------------------------------------------- statement lines

_SETTLED: Final = any_of(("DEPOSIT", "OVERPAYMENT", "DEPOSIT_REINSTATED", "DEPOSIT_REVERSED"))
_SPENT: Final = any_of(("INVOICE_PAYMENT", "INVOICE_PAYMENT_RETURNED"))

#: What the transfers of each line do to credit less debt, to debt, and to promotional credit; and
#: who had what moves behind the statement: credit that was held, a debt that it repaid afterwards.
_LEGS: Final = f"""
WITH legs AS MATERIALIZED (
SELECT t.credit_transaction_id AS line,
       SUM(CASE WHEN b.kind IN {any_of(_CLIENTS)} THEN t.amount ELSE 0 END
         - CASE WHEN a.kind IN {any_of(_CLIENTS)} THEN t.amount ELSE 0 END) AS moved,
       SUM(CASE WHEN a.kind = 'DEBT' THEN t.amount WHEN b.kind = 'DEBT' THEN -t.amount ELSE 0 END)
         AS owed,
       SUM(CASE WHEN b.kind = 'GRANT' THEN t.amount ELSE 0 END
         - CASE WHEN a.kind = 'GRANT' THEN t.amount ELSE 0 END) AS granted
  FROM transfer t JOIN ledger_account a ON a.id = t.from_id JOIN ledger_account b ON b.id = t.to_id
 WHERE t.credit_transaction_id IS NOT NULL GROUP BY t.credit_transaction_id),
holders AS MATERIALIZED (SELECT DISTINCT account_id, currency FROM credit_hold),
repaid AS MATERIALIZED (
SELECT DISTINCT account_id, currency FROM transfer
 WHERE kind = 'DEBT_REPAID' AND credit_transaction_id IS NULL)
"""

LINES: Final = Sweep(
    """c.id AS line, c.kind, c.version, c.amount, c.currency, COALESCE(m.moved, 0) AS moved,
       c.account_id AS account""",
    """credit_transaction c
       LEFT JOIN credit_transaction b ON b.account_id = c.account_id
            AND b.currency = c.currency AND b.version = c.version - 1
       LEFT JOIN legs m ON m.line = c.id
       LEFT JOIN holders h ON h.account_id = c.account_id AND h.currency = c.currency
       LEFT JOIN repaid d ON d.account_id = c.account_id AND d.currency = c.currency
       LEFT JOIN payment p ON p.id = c.payment_id
       LEFT JOIN invoice i ON i.id = c.invoice_id
       LEFT JOIN redemption r ON r.credit_transaction_id = c.id
       LEFT JOIN voucher v ON v.id = r.voucher_id""",
    (
        Check(
            "line-kind",
            f"c.kind NOT IN {any_of(tuple(kind.value for kind in LineKind))}",
            "credit transaction {line}: {kind} is nothing that happens",
        ),
        Check(
            "line-amount",
            "m.line IS NULL OR m.moved <> c.amount",
            "credit transaction {line}: its transfers move {moved:money}, it says {amount:money}",
        ),
        Check(
            "line-balance",
            """c.balance_after <> COALESCE(b.balance_after, 0) + c.amount
               OR c.balance_after <> c.available_after + c.reserved_after - c.debt_after""",
            "credit transaction {line}: balance after it is not that before it and its amount",
        ),
        Check(
            "line-debt",
            "d.account_id IS NULL AND c.debt_after <> COALESCE(b.debt_after, 0) + m.owed",
            "credit transaction {line}: debt after it is not that before it and what it changed",
        ),
        Check(
            "line-promotional",
            """h.account_id IS NULL AND (c.reserved_after <> 0
               OR c.promotional_after <> COALESCE(b.promotional_after, 0) + m.granted)""",
            "credit transaction {line}: promotional or reserved credit after it is not what it was",
        ),
        Check(
            "line-payment",
            f"""(c.kind IN {_SETTLED} AND p.id IS NULL)
               OR (c.payment_id IS NOT NULL AND (p.id IS NULL OR p.account_id <> c.account_id
                   OR p.currency <> c.currency OR p.invoice_id <> COALESCE(c.invoice_id, c.id)))""",
            "credit transaction {line}: {kind} of {amount:money}, and no payment of this client,"
            " currency and invoice is its reason",
        ),
        Check(
            "line-invoice",
            f"""(c.kind IN {_SPENT} AND i.id IS NULL)
               OR (c.invoice_id IS NOT NULL AND (i.id IS NULL OR i.account_id <> c.account_id
                   OR i.currency <> c.currency))""",
            "credit transaction {line}: {kind} of {amount:money}, for no invoice of this client and"
            " currency",
        ),
        Check(
            "line-source",
            f"""((c.kind IN {_SETTLED} OR (c.kind = 'DEBT_REPAID' AND c.payment_id IS NOT NULL))
                 AND NOT EXISTS (SELECT 1 FROM settlement s WHERE s.payment_id = c.payment_id
                                    AND {hexed("s.id")} = substr(c.source, 1, 32)))
               OR (c.kind = 'INVOICE_PAYMENT' AND c.payment_id IS NOT NULL
                   AND c.source <> {hexed("c.payment_id")})
               OR (c.kind = 'INVOICE_PAYMENT_RETURNED' AND c.source <> {hexed("c.invoice_id")})
               OR (c.kind = 'EXPIRY'
                   AND c.source <> substr(c.source, 1, 32) || ':' || CAST(c.version AS TEXT))
            """,
            "credit transaction {line}: {kind} of {amount:money} comes of nothing that is known",
        ),
        Check(
            "line-voucher",
            f"""(c.kind = 'VOUCHER') <> (r.id IS NOT NULL)
               OR {hexed("r.id")} <> c.source OR r.account_id <> c.account_id""",
            "credit transaction {line}: {kind} of {amount:money}, and nobody redeemed a voucher"
            " for it",
        ),
        Check(
            "line-note",
            "c.note <> COALESCE(i.number, v.note, c.note)",
            "credit transaction {line}: its note is not the invoice's number or the voucher's note",
        ),
        Check(
            "line-refundable",
            "c.refundable AND c.kind NOT IN ('DEPOSIT', 'OVERPAYMENT')",
            "credit transaction {line}: {kind} is marked as refundable",
        ),
    ),
    head=_LEGS,
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
           WHERE l.account_id IS NOT NULL GROUP BY l.account_id, l.currency) s
         ON s.{_SAME.format("s")}
       LEFT JOIN (SELECT account_id, currency, COUNT(*) AS lines, MAX(version) AS last
                    FROM credit_transaction GROUP BY account_id, currency) c
         ON c.{_SAME.format("c")}
       LEFT JOIN credit_transaction e ON e.{_SAME.format("e")} AND e.version = b.version
       LEFT JOIN (SELECT account_id, currency, SUM(amount) AS held FROM credit_hold
                   WHERE state = 'OPEN' GROUP BY account_id, currency) h
         ON h.{_SAME.format("h")}""",
    (
        Check(
            "balance-client", "a.id IS NULL", "balance {balance}: its client {account} is not there"
        ),
        Check(
            "balance-accounts",
            """COALESCE(s.of_deposits, 0) <> 1 OR COALESCE(s.of_holds, 0) <> 1
               OR COALESCE(s.of_debt, 0) <> 1""",
            "account {account}: has not one ledger account each for deposits, holds and debt in"
            " {currency}",
        ),
        Check(
            "balance-transfers",
            """b.available <> s.deposited + s.granted OR b.promotional <> s.granted
               OR b.reserved <> s.held OR b.debt <> s.owed""",
            "account {account}: its balance in {currency} and its transfers differ",
        ),
        Check(
            "balance-version",
            "b.version <> COALESCE(c.lines, 0) OR b.version <> COALESCE(c.last, 0)",
            "account {account}, {currency}: versions with a gap, or behind the balance: it is at"
            " {version} and has {lines} lines",
        ),
        Check(
            "balance-line",
            """b.available + b.reserved - b.debt <> COALESCE(e.balance_after, 0)
               OR b.debt > COALESCE(e.debt_after, 0)""",
            "account {account}: its balance in {currency} is not what its last credit transaction"
            " left",
        ),
        Check(
            "balance-holds",
            "b.reserved <> COALESCE(h.held, 0)",
            "account {account}: {reserved:money} reserved, its open holds are {held:money}",
        ),
    ),
    head=f"WITH {NET}",
)

TOTALS: Final = Sweep(
    "s.currency, s.net",
    """(SELECT l.currency, SUM(n.net) AS net FROM net n JOIN ledger_account l ON l.id = n.id
         GROUP BY l.currency) s""",
    (Check("totals", "s.net <> 0", "{currency}: debits and credits differ by {net:money}"),),
    head=f"WITH {NET}",
)

SWEEPS: Final = (TRANSFERS, LEDGER_ACCOUNTS, HOUSE, LINES, BALANCES, TOTALS)
