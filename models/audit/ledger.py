"""Checks of the ledger: transfers, and the accounts between which they move."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from models.audit.check import Check, Sweep, hexed
from models.db import sql
from models.ledger.chart import LedgerKind, provider_account
from models.ledger.credit_transaction import StatementLineKind
from models.ledger.transfer import MoveKind

#: The ledger accounts that are clients'.
CLIENTS: Final = ("DEPOSITED", "GRANT", "HELD", "DEBT")
#: What is only ever behind the statement, and what is only ever on it; a debt is repaid by both.
_MOVES: Final = sorted({kind.value for kind in MoveKind} - {*StatementLineKind})
_LINES: Final = sorted({kind.value for kind in StatementLineKind} - {*MoveKind})
_HOLDS: Final = (MoveKind.HOLD, MoveKind.HOLD_RELEASED)

#: From where to where each kind moves money: models/README.md, "What each event books".
POSTINGS: Final[dict[str, tuple[str, ...]]] = {
    StatementLineKind.DEPOSIT: ("CLEARING>DEPOSITED",),
    StatementLineKind.OVERPAYMENT: ("CLEARING>DEPOSITED",),
    StatementLineKind.DEBT_REPAID: ("CLEARING>DEBT", "DEPOSITED>DEBT"),
    StatementLineKind.DEPOSIT_REINSTATED: ("CLEARING>DEPOSITED", "CLEARING>DEBT"),
    StatementLineKind.DEPOSIT_REVERSED: ("DEPOSITED>CLEARING", "DEBT>CLEARING"),
    StatementLineKind.VOUCHER: ("PROMOTIONS>GRANT",),
    StatementLineKind.EXPIRY: ("GRANT>PROMOTIONS",),
    StatementLineKind.INVOICE_PAYMENT: ("GRANT>SALES", "DEPOSITED>SALES"),
    StatementLineKind.INVOICE_PAYMENT_RETURNED: ("SALES>GRANT", "SALES>DEPOSITED", "SALES>DEBT"),
    StatementLineKind.ADJUSTMENT: (
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
  SELECT to_id AS id, SUM(amount) AS amount FROM transfer WHERE within(to_id, ledger_account)
   GROUP BY to_id
  UNION ALL SELECT from_id, -SUM(amount) FROM transfer WHERE within(from_id, ledger_account)
   GROUP BY from_id) sides GROUP BY id)
"""

#: Of a payment for several invoices the sale of each has its place behind the settlement's id.
_OF_A_SETTLEMENT: Final = f"""
(EXISTS (SELECT 1 FROM settlement s WHERE s.payment_id = t.payment_id
            AND {hexed("s.id")} = substr(t.source, 1, 32))
 AND (substr(t.source, 33) = '' OR (t.kind IN ('SALE', 'SALE_REVERSED')
  AND EXISTS (SELECT 1 FROM payment_allocation y WHERE y.payment_id = t.payment_id
                 AND ':' || CAST(y.place AS TEXT) = substr(t.source, 33)))))
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
            "transfer {transfer}: is not between two ledger accounts of its currency",
        ),
        Check(
            "transfer-posting",
            f"t.kind || ':' || a.kind || '>' || b.kind NOT IN {sql.literals(_POSTINGS)}",
            "transfer {transfer}: {kind} never moves money from {out_of} to {goes_into}",
        ),
        Check(
            "transfer-client",
            """COALESCE(a.account_id, t.account_id) <> t.account_id
               OR COALESCE(b.account_id, t.account_id) <> t.account_id""",
            "transfer {transfer}: is booked for one client, but moves another's credit",
        ),
        Check(
            "transfer-line",
            f"""(t.credit_transaction_id IS NULL AND (t.kind IN {sql.literals(_LINES)}
                OR (t.kind = 'DEBT_REPAID' AND a.kind <> 'DEPOSITED')))
               OR (t.credit_transaction_id IS NOT NULL AND (t.kind IN {sql.literals(_MOVES)}
                OR (t.kind = 'DEBT_REPAID' AND a.kind <> 'CLEARING') OR c.id IS NULL
                OR c.kind <> t.kind OR c.source <> t.source OR c.account_id <> t.account_id
                OR c.currency <> t.currency
                OR COALESCE(c.payment_id, c.id) <> COALESCE(t.payment_id, c.id)))""",
            "transfer {transfer}: {kind} of {amount:money} doesn't match its credit transaction",
        ),
        Check(
            "transfer-unpaid",
            "t.payment_id IS NULL AND (a.kind = 'CLEARING' OR b.kind = 'CLEARING')",
            "transfer {transfer}: passes through a gateway's clearing account, but has no payment",
        ),
        Check(
            "transfer-payment",
            f"""t.payment_id IS NOT NULL AND t.kind NOT IN {sql.literals(_HOLDS)} AND (p.id IS NULL
               OR p.account_id <> t.account_id OR p.currency <> t.currency
               OR COALESCE(a.gateway, p.gateway) <> p.gateway
               OR COALESCE(b.gateway, p.gateway) <> p.gateway)""",
            "transfer {transfer}: its payment {payment} is of another client, currency or"
            " gateway, or doesn't exist",
        ),
        Check(
            "transfer-source",
            f"""(t.kind IN ('SALE', 'SALE_REVERSED', 'FEE', 'FEE_REVERSED')
                AND NOT {_OF_A_SETTLEMENT})
               OR (t.kind IN {sql.literals(_HOLDS)} AND (t.payment_id IS NULL
                   OR substr(t.source, 1, 32) <> {hexed("t.payment_id")}))""",
            "transfer {transfer}: {kind} of {amount:money} has no settlement, payment or refund"
            " as its source",
        ),
        Check(
            "transfer-hold",
            """t.kind = 'HOLD' AND NOT EXISTS
               (SELECT 1 FROM credit_hold h WHERE h.payment_id = t.payment_id)""",
            "transfer {transfer}: holds {amount:money}, but there is no such hold",
        ),
    ),
    scope="within(t.account_id)",
)

LEDGER_ACCOUNTS: Final = Sweep(
    "l.id AS ledger_account, l.kind, l.currency, l.account_id AS account",
    """ledger_account l LEFT JOIN account a ON a.id = l.account_id
       LEFT JOIN balance b ON b.account_id = l.account_id AND b.currency = l.currency
       LEFT JOIN credit_grant g ON g.id = l.id""",
    (
        Check(
            "ledger-account-kind",
            f"""l.kind NOT IN {sql.literals(LedgerKind)}
               OR (l.kind IN {sql.literals(CLIENTS)}) <> (l.account_id IS NOT NULL)
               OR (l.kind = 'CLEARING') <> (l.gateway IS NOT NULL)""",
            "ledger account {ledger_account}: {kind} doesn't fit its owner",
        ),
        Check(
            "ledger-account-grant",
            """(l.kind = 'GRANT') <> (g.id IS NOT NULL)
               OR g.account_id <> l.account_id OR g.currency <> l.currency""",
            "ledger account {ledger_account}: {kind} in {currency} doesn't match its grant, or"
            " has none",
        ),
        Check(
            "ledger-account-client",
            "l.account_id IS NOT NULL AND a.id IS NULL",
            "ledger account {ledger_account}: belongs to account {account}, which doesn't exist",
        ),
        Check(
            "balance-missing",
            "l.account_id IS NOT NULL AND b.id IS NULL",
            "account {account}: has a ledger account in {currency}, but no balance",
        ),
    ),
    scope="""l.id IN (SELECT id FROM ledger_account WHERE within(account_id)
                    UNION SELECT id FROM ledger_account WHERE account_id IS NULL)""",
)


def _is_another(row: sql.Row) -> bool:
    try:
        kind = LedgerKind(row["kind"])
    except ValueError:
        return True
    opened_as: UUID = row["id"]
    return provider_account(kind, row["currency"], row["gateway"]).id != opened_as


#: Their ids follow from what they are, which SQL cannot work out.
PROVIDER_ACCOUNTS: Final = Sweep(
    "l.id, l.kind, l.currency, l.gateway",
    "ledger_account l",
    (
        Check(
            "provider-account",
            "l.account_id IS NULL",
            "ledger account {id}: {kind} in {currency} was opened as something else",
        ),
    ),
    judge=_is_another,
    scope="l.account_id IS NULL",
)

SWEEPS: Final = (TRANSFERS, LEDGER_ACCOUNTS, PROVIDER_ACCOUNTS)
