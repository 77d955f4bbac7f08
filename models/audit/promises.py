"""Checks of what clients have been promised: holds, grants, vouchers, keys; of who they are; and of
what was told and logged of them.
"""

from __future__ import annotations

from typing import Final

from models.audit.check import Check, Sweep, hexed, id_of, public
from models.audit.ledger import NET

HOLDS: Final = Sweep(
    """h.payment_id AS payment, h.amount, h.currency, h.state,
       COALESCE(p.status, r.status, 'missing') AS status, COALESCE(m.held, 0) AS held,
       COALESCE(m.released, 0) AS released""",
    """credit_hold h LEFT JOIN payment p ON p.id = h.payment_id
       LEFT JOIN refund r ON r.id = h.payment_id
       LEFT JOIN (SELECT payment_id, SUM(CASE WHEN kind = 'HOLD' THEN amount ELSE 0 END) AS held,
                         SUM(CASE WHEN kind = 'HOLD_RELEASED' THEN amount ELSE 0 END) AS released
                    FROM transfer WHERE kind IN ('HOLD', 'HOLD_RELEASED') GROUP BY payment_id) m
         ON m.payment_id = h.payment_id""",
    (
        Check(
            "hold-owner",
            """COALESCE(p.id, r.id) IS NULL OR COALESCE(p.account_id, r.account_id) <> h.account_id
               OR COALESCE(p.currency, r.currency) <> h.currency""",
            "hold {payment}: {amount:money}, for no payment or refund of this client",
        ),
        Check(
            "hold-over",
            """h.state = 'OPEN' AND COALESCE(p.status, r.status)
               NOT IN ('CREATED', 'REQUIRES_ACTION', 'PROCESSING', 'PENDING')""",
            "hold {payment}: {amount:money} are held, what it is for is {status}",
        ),
        Check(
            "hold-amount",
            """(r.status = 'PENDING' AND h.state = 'OPEN' AND h.amount <> r.held)
               OR (p.status <> 'SUCCEEDED' AND h.amount <> p.credit_part)""",
            "hold {payment}: {amount:money}, its payment or refund wants another sum",
        ),
        Check(
            "hold-transfers",
            """COALESCE(m.held, 0) - COALESCE(m.released, 0) <>
               CASE h.state WHEN 'OPEN' THEN h.amount ELSE 0 END
               OR (p.id IS NOT NULL AND COALESCE(m.held, 0) <> h.amount)""",
            "hold {payment}: {state} over {amount:money}, the ledger held {held:money} and released"
            " {released:money}",
        ),
        Check(
            "hold-spent",
            f"""h.state = 'SPENT' AND NOT EXISTS (SELECT 1 FROM credit_transaction c
                WHERE c.kind = 'INVOICE_PAYMENT' AND c.source = {hexed("h.payment_id")})""",
            "hold {payment}: SPENT, and no statement line says on what",
        ),
    ),
)

# ------------------------------------------------------------------------------- promotional credit

GRANTS: Final = Sweep(
    """g.id AS grant_number, g.amount, g.remaining, g.currency, g.account_id AS account,
       COALESCE(n.net, 0) AS net, g.expires_at AS expires""",
    """credit_grant g LEFT JOIN net n ON n.id = g.id
       LEFT JOIN ledger_account l ON l.id = g.id LEFT JOIN redemption r ON r.id = g.id
       LEFT JOIN voucher v ON v.id = r.voucher_id
       LEFT JOIN credit_transaction c ON c.id = r.credit_transaction_id""",
    (
        Check(
            "grant-transfers",
            "l.id IS NULL OR COALESCE(n.net, 0) <> g.remaining",
            "grant {grant_number}: {remaining:money} remaining, its transfers leave {net:money}",
        ),
        Check(
            "grant-redemption",
            """r.id IS NULL OR r.account_id <> g.account_id OR v.currency <> g.currency""",
            "grant {grant_number}: {amount:money}, and no voucher was redeemed for it by {account}",
        ),
        Check(
            "grant-amount",
            "g.amount <> v.amount OR g.amount <> c.amount",
            "grant {grant_number}: {amount:money}, its voucher was over another sum",
        ),
        Check(
            "grant-expiry",
            "(g.expires_at IS NULL) <> (v.credit_expires_at IS NULL)"
            " OR g.expires_at <> v.credit_expires_at",
            "grant {grant_number}: {amount:money} until {expires}, its voucher says otherwise",
        ),
        Check(
            "grant-expired",
            "g.remaining > 0 AND g.expires_at < $1",
            "grant {grant_number}: {remaining:money} of {account}'s ran out at {expires} and is"
            " still there",
            warning=True,
        ),
    ),
    head=f"WITH {NET}",
)

REDEMPTIONS: Final = Sweep(
    "r.id AS redemption, r.account_id AS account",
    """redemption r LEFT JOIN credit_grant g ON g.id = r.id
       LEFT JOIN voucher v ON v.id = r.voucher_id
       LEFT JOIN credit_transaction c ON c.id = r.credit_transaction_id""",
    (
        Check(
            "redemption",
            """g.id IS NULL OR v.id IS NULL OR c.id IS NULL OR c.kind <> 'VOUCHER'
               OR c.account_id <> r.account_id""",
            "redemption {redemption} of {account}: without its grant, voucher or statement line",
        ),
    ),
)

VOUCHERS: Final = Sweep(
    """v.id AS voucher, v.amount, v.currency, v.redeemed, v.max_redemptions AS most,
       COALESCE(r.counted, 0) AS counted""",
    """voucher v LEFT JOIN (SELECT voucher_id, COUNT(*) AS counted FROM redemption
                             GROUP BY voucher_id) r ON r.voucher_id = v.id""",
    (
        Check(
            "voucher-redeemed",
            "v.redeemed <> COALESCE(r.counted, 0) OR v.redeemed > v.max_redemptions",
            "voucher {voucher}: redeemed {redeemed} times, {counted} redemptions of {most}",
        ),
    ),
)

VOUCHERS_ISSUED: Final = Sweep(
    "i.amount, i.currency, i.there, i.issued",
    """(SELECT amount, currency, SUM(there) AS there, SUM(issued) AS issued FROM (
          SELECT CAST(v.amount AS TEXT) AS amount, v.currency, 1 AS there, 0 AS issued
            FROM voucher v
          UNION ALL SELECT CAST(e.details ->> 'amount' AS TEXT),
                 e.details ->> 'currency', 0,
                 CAST(COALESCE(e.details ->> 'count', '0') AS INTEGER)
            FROM audit_entry e WHERE e.action = 'vouchers.issue') every
        GROUP BY amount, currency) i""",
    (
        Check(
            "vouchers-issued",
            "i.there <> i.issued",
            "vouchers over {amount} minor units of {currency}: {there} are there, staff issued"
            " {issued}",
        ),
    ),
)

ADJUSTMENTS: Final = Sweep(
    "a.account, a.amount, a.currency, a.reason",
    f"""(SELECT account, currency, amount, reason, SUM(n) AS n FROM (
          SELECT {public("acc", "c.account_id")} AS account, c.currency,
                 CAST(c.amount AS TEXT) AS amount, c.note AS reason, 1 AS n
            FROM credit_transaction c WHERE c.kind = 'ADJUSTMENT'
          UNION ALL SELECT e.subject, e.details ->> 'currency',
                 CAST(e.details ->> 'amount' AS TEXT),
                 e.details ->> 'reason', -1
            FROM audit_entry e WHERE e.action = 'credit.adjust') every
        GROUP BY account, currency, amount, reason) a""",
    (
        Check(
            "adjustment-by",
            "a.n <> 0",
            '{account}: an adjustment of {amount} minor units of {currency}, "{reason}", that the'
            " statement and the audit log do not both have",
        ),
    ),
)

# ------------------------------------------------------------------------------- clients

ACCOUNTS: Final = Sweep(
    f"""{public("acc", "a.id")} AS account, a.open_disputes, COALESCE(d.open, 0) AS open,
       a.frozen""",
    f"""account a LEFT JOIN (SELECT account_id, COUNT(*) AS open FROM payment WHERE disputed
                              GROUP BY account_id) d ON d.account_id = a.id
       LEFT JOIN frozen f ON f.subject = {public("acc", "a.id")}""",
    (
        Check(
            "account-disputes",
            "a.open_disputes <> COALESCE(d.open, 0)",
            "{account}: {open_disputes} open disputes, its payments have {open}",
        ),
        Check(
            "account-frozen",
            """CASE WHEN a.frozen THEN COALESCE(f.stopped, 0) = 0
                    ELSE f.stopped = 1 AND f.lifted = 0 END""",
            "{account}: frozen or not, and no member of staff has said so",
        ),
    ),
    # Only whether anybody ever said so: who of two came last is the clocks' word.
    head="""WITH frozen AS MATERIALIZED (
SELECT subject, MAX(CASE WHEN frozen IN ('true', '1') THEN 1 ELSE 0 END) AS stopped,
       MAX(CASE WHEN frozen IN ('false', '0') THEN 1 ELSE 0 END) AS lifted
  FROM (SELECT e.subject, CAST(e.details ->> 'frozen' AS TEXT) AS frozen
          FROM audit_entry e WHERE e.action = 'account.update') said GROUP BY subject)""",
)

CLIENTS: Final = Sweep(
    "u.id AS person, u.account_id AS account",
    "users u LEFT JOIN account a ON a.id = u.account_id",
    (
        Check(
            "user-client",
            "u.account_id IS NOT NULL AND a.id IS NULL",
            "user {person}: its client {account} is not there",
        ),
    ),
)

# ------------------------------------------------------------------------------- what was told

EVENTS: Final = Sweep(
    "e.kind, e.subject_id AS subject, e.account_id AS account",
    """event e LEFT JOIN invoice i ON i.id = e.subject_id
       LEFT JOIN payment p ON p.id = e.subject_id""",
    (
        Check(
            "told-invoice",
            """SUBSTR(e.kind, 1, 8) = 'invoice.' AND (i.id IS NULL OR i.account_id <> e.account_id
               OR (e.kind = 'invoice.issued'
                   AND COALESCE(e.data ->> 'number', i.number) <> i.number))""",
            "invoice {subject}: {kind} was told of it, and of another client or number than it has"
            " now",
        ),
        Check(
            "told-payment",
            """SUBSTR(e.kind, 1, 8) = 'payment.'
               AND (p.id IS NULL OR p.account_id <> e.account_id)""",
            "payment {subject}: {kind} was told of it, and of another client than it has now",
        ),
    ),
)


def _gone(table: str, prefix: str, text: str) -> str:
    return f"""(SUBSTR({text}, 1, 4) = '{prefix}_' AND NOT EXISTS
               (SELECT 1 FROM {table} x WHERE as_text(x.id) = {id_of(text, 5)}))"""


_LOGGED: Final = {"account": "acc", "invoice": "inv", "payment": "pay", "bank_credit": "bcr"}

LOGGED: Final = Sweep(
    "e.action, e.subject",
    "audit_entry e",
    (
        Check(
            "logged",
            " OR ".join(_gone(table, prefix, "e.subject") for table, prefix in _LOGGED.items()),
            "{subject}: the audit log has {action} of it, and it is not there",
        ),
    ),
)

#: The payment of an invoice that credit alone paid never began.
_KEYS: Final = {
    "account": ("account", "acc"),
    "invoice": ("invoice", "inv"),
    "transaction": ("credit_transaction", "ctx"),
    "refund": ("refund", "rfd"),
    "credit": ("bank_credit", "bcr"),
}

KEYS: Final = Sweep(
    "k.key, k.principal",
    "named k",
    (
        Check(
            "key",
            " OR ".join(
                _gone(table, prefix, f"k.the_{name}") for name, (table, prefix) in _KEYS.items()
            )
            + f" OR (k.the_invoice IS NULL AND {_gone('payment', 'pay', 'k.the_payment')})",
            "idempotency key {key} of {principal}: what it made is not there",
            warning=True,
        ),
    ),
    head="WITH named AS MATERIALIZED (SELECT k.key, k.principal, "
    + ", ".join(f"k.result ->> '{name}' AS the_{name}" for name in (*_KEYS, "payment"))
    + " FROM idempotency_key k)",
)

SWEEPS: Final = (
    HOLDS,
    GRANTS,
    REDEMPTIONS,
    VOUCHERS,
    VOUCHERS_ISSUED,
    ADJUSTMENTS,
    ACCOUNTS,
    CLIENTS,
    EVENTS,
    LOGGED,
    KEYS,
)
