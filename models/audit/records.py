"""Checks of records beside the money: accounts, events and the audit log."""

from __future__ import annotations

from typing import Final

from models.audit.check import Check, Sweep, public

ACCOUNTS: Final = Sweep(
    f"""{public("acc", "a.id")} AS account, a.open_disputes, COALESCE(d.open, 0) AS open,
       a.frozen""",
    f"""account a LEFT JOIN (SELECT account_id, COUNT(*) AS open FROM payment
                              WHERE disputed AND within(account_id)
                              GROUP BY account_id) d ON d.account_id = a.id
       LEFT JOIN frozen f ON f.subject = {public("acc", "a.id")}""",
    (
        Check(
            "account-disputes",
            "a.open_disputes <> COALESCE(d.open, 0)",
            "{account}: {open_disputes} open disputes, but its payments have {open}",
        ),
        Check(
            "account-frozen",
            """CASE WHEN a.frozen THEN COALESCE(f.stopped, 0) = 0
                    ELSE f.stopped = 1 AND f.lifted = 0 END""",
            "{account}: the audit log doesn't say who froze it, or who ended that",
        ),
    ),
    # Only whether anybody ever said so: who of two came last is the clocks' word.
    head="""frozen AS MATERIALIZED (
SELECT subject, MAX(CASE WHEN frozen IN ('true', '1') THEN 1 ELSE 0 END) AS stopped,
       MAX(CASE WHEN frozen IN ('false', '0') THEN 1 ELSE 0 END) AS lifted
  FROM (SELECT e.subject, CAST(e.details ->> 'frozen' AS TEXT) AS frozen
          FROM audit_entry e WHERE e.action = 'account.update' AND named(e.subject, acc)) said
 GROUP BY subject)""",
    scope="within(a.id)",
)

CLIENTS: Final = Sweep(
    "u.id AS person, u.account_id AS account",
    "users u LEFT JOIN account a ON a.id = u.account_id",
    (
        Check(
            "user-client",
            "u.account_id IS NOT NULL AND a.id IS NULL",
            "user {person}: belongs to account {account}, which doesn't exist",
        ),
    ),
    scope="""u.id IN (SELECT id FROM users WHERE within(account_id)
                    UNION SELECT id FROM users WHERE recent(id))""",
)

EVENTS: Final = Sweep(
    """e.id AS event, e.kind, e.subject_id AS subject, e.account_id AS account, e.position,
       e.sequence, f.position AS published""",
    """event e LEFT JOIN invoice i ON i.id = e.subject_id
       LEFT JOIN payment p ON p.id = e.subject_id CROSS JOIN event_feed f""",
    (
        Check(
            "told-invoice",
            """SUBSTR(e.kind, 1, 8) = 'invoice.' AND (i.id IS NULL OR i.account_id <> e.account_id
               OR (e.kind = 'invoice.issued'
                   AND COALESCE(e.data ->> 'number', i.number) <> i.number))""",
            "invoice {subject}: its event {kind} names another client or number, or it doesn't"
            " exist",
        ),
        Check(
            "told-payment",
            """SUBSTR(e.kind, 1, 8) = 'payment.'
               AND (p.id IS NULL OR p.account_id <> e.account_id)""",
            "payment {subject}: its event {kind} names another client, or it doesn't exist",
        ),
        Check(
            "told-hold",
            """SUBSTR(e.kind, 1, 5) = 'hold.' AND NOT EXISTS (SELECT 1 FROM reservation v
                WHERE v.id = e.subject_id AND v.account_id = e.account_id)""",
            "hold {subject}: its event {kind} names another client, or it doesn't exist",
        ),
        Check(
            "event-published",
            "(e.position IS NULL) <> (e.sequence IS NULL) OR e.position > f.position",
            "event {event}: has the place {position} among all and {sequence} among its account's,"
            " but {published} are published",
        ),
    ),
    scope="recent(e.id)",
)

SEQUENCES: Final = Sweep(
    """s.account_id AS account, s.kept, s.oldest, s.newest,
       COALESCE(c.sequence, 0) AS counted""",
    """(SELECT account_id, COUNT(*) AS kept, MIN(sequence) AS oldest, MAX(sequence) AS newest
         FROM event WHERE sequence IS NOT NULL AND within(account_id) GROUP BY account_id) s
       LEFT JOIN event_count c ON c.account_id = s.account_id""",
    (
        Check(
            "event-sequence",
            "s.newest - s.oldest + 1 <> s.kept OR s.newest <> COALESCE(c.sequence, 0)",
            "account {account}: {kept} events are kept, numbered {oldest} to {newest}, and"
            " {counted} were published",
        ),
    ),
    scope="TRUE",
)

UNPUBLISHED: Final = Sweep(
    "e.id AS event, e.kind",
    "event e",
    (
        Check(
            "event-late",
            "e.position IS NULL AND e.created_at < $1",
            "event {event}: {kind}, but nobody has been told of it",
            warning=True,
        ),
    ),
    scope="e.position IS NULL",
)


def _gone(table: str, prefix: str, text: str) -> str:
    return f"""(SUBSTR({text}, 1, 4) = '{prefix}_' AND NOT EXISTS
               (SELECT 1 FROM {table} x WHERE told_of(x.id, {text})))"""


_LOGGED: Final = {
    "account": "acc",
    "invoice": "inv",
    "payment": "pay",
    "bank_credit": "bcr",
    "reservation": "hld",
}

LOGGED: Final = Sweep(
    "e.action, e.subject",
    "audit_entry e",
    (
        Check(
            "logged",
            " OR ".join(_gone(table, prefix, "e.subject") for table, prefix in _LOGGED.items()),
            "{subject}: is in the audit log ({action}), but doesn't exist",
        ),
    ),
    scope="recent(e.id)",
)

#: The payment of an invoice that credit alone paid never began.
_KEYS: Final = {
    "account": ("account", "acc"),
    "invoice": ("invoice", "inv"),
    "transaction": ("credit_transaction", "ctx"),
    "refund": ("refund", "rfd"),
    "credit": ("bank_credit", "bcr"),
    "hold": ("reservation", "hld"),
}

KEYS: Final = Sweep(
    "k.key, k.principal",
    "made k",
    (
        Check(
            "key",
            " OR ".join(
                _gone(table, prefix, f"k.the_{name}") for name, (table, prefix) in _KEYS.items()
            )
            + f" OR (k.the_invoice IS NULL AND {_gone('payment', 'pay', 'k.the_payment')})",
            "idempotency key {key} of {principal}: what it made doesn't exist",
            warning=True,
        ),
    ),
    head="made AS MATERIALIZED (SELECT k.key, k.principal, "
    + ", ".join(f"k.result ->> '{name}' AS the_{name}" for name in (*_KEYS, "payment"))
    + " FROM idempotency_key k WHERE recent(k.id))",
    scope="TRUE",
)

SWEEPS: Final = (ACCOUNTS, CLIENTS, EVENTS, SEQUENCES, UNPUBLISHED, LOGGED, KEYS)
