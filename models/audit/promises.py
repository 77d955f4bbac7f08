"""Checks of what clients have been promised: holds, reservations, grants, vouchers, adjustments."""

from __future__ import annotations

from typing import Final

from models.audit.check import Check, Sweep, hexed, public
from models.audit.ledger import NET
from models.credit.reservation import ReservationState
from models.db import sql
from models.status import OPEN, RefundStatus

HOLDS: Final = Sweep(
    """h.payment_id AS payment, h.amount, h.currency, h.state,
       COALESCE(p.status, r.status, v.state, 'missing') AS status, COALESCE(m.held, 0) AS held,
       COALESCE(m.released, 0) AS released""",
    """credit_hold h LEFT JOIN payment p ON p.id = h.payment_id
       LEFT JOIN refund r ON r.id = h.payment_id
       LEFT JOIN reservation v ON v.id = h.payment_id
       LEFT JOIN (SELECT payment_id, SUM(CASE WHEN kind = 'HOLD' THEN amount ELSE 0 END) AS held,
                         SUM(CASE WHEN kind = 'HOLD_RELEASED' THEN amount ELSE 0 END) AS released
                    FROM transfer WHERE kind IN ('HOLD', 'HOLD_RELEASED')
                     AND within(payment_id, credit_hold.payment_id) GROUP BY payment_id) m
         ON m.payment_id = h.payment_id""",
    (
        Check(
            "hold-owner",
            """COALESCE(p.id, r.id, v.id) IS NULL
               OR COALESCE(p.account_id, r.account_id, v.account_id) <> h.account_id
               OR COALESCE(p.currency, r.currency, v.currency) <> h.currency""",
            "hold {payment}: {amount:money} is for no payment, refund or order of this client",
        ),
        Check(
            "hold-over",
            f"""h.state = 'OPEN' AND COALESCE(p.status, r.status, v.state)
               NOT IN {sql.literals([*OPEN, RefundStatus.PENDING, ReservationState.OPEN])}""",
            "hold {payment}: {amount:money} is still held, but what it is for is {status}",
        ),
        Check(
            "hold-amount",
            """(r.status = 'PENDING' AND h.state = 'OPEN' AND h.amount <> r.held)
               OR (p.status <> 'SUCCEEDED' AND h.amount <> p.credit_part)""",
            "hold {payment}: for {amount:money}, but its payment or refund says another amount",
        ),
        Check(
            "hold-transfers",
            """COALESCE(m.held, 0) - COALESCE(m.released, 0) <>
               CASE h.state WHEN 'OPEN' THEN h.amount ELSE 0 END
               OR (p.id IS NOT NULL AND COALESCE(m.held, 0) <> h.amount)""",
            "hold {payment}: {state} for {amount:money}, but the ledger held {held:money} and"
            " released {released:money}",
        ),
        Check(
            "hold-spent",
            f"""h.state = 'SPENT' AND v.id IS NULL AND NOT EXISTS
                (SELECT 1 FROM credit_transaction c
                  WHERE c.kind = 'INVOICE_PAYMENT' AND c.source = {hexed("h.payment_id")})
               AND NOT EXISTS (SELECT 1 FROM payment_allocation x JOIN credit_transaction c
                  ON c.kind = 'INVOICE_PAYMENT'
                 AND c.source = {hexed("h.payment_id")} || ':' || CAST(x.place AS TEXT)
                WHERE x.payment_id = h.payment_id)""",
            "hold {payment}: SPENT, but no credit transaction says on what",
        ),
    ),
    scope="within(h.account_id)",
)

#: A capture's own source is behind its hold's; the legs that it freed are those that it billed.
_CAPTURES: Final = """
SELECT payment_id, SUM(CASE WHEN kind = 'HOLD' THEN amount ELSE 0 END) AS held,
       SUM(CASE WHEN kind = 'HOLD_RELEASED' AND length(source) > 32 THEN amount ELSE 0 END)
           AS captured
  FROM transfer WHERE kind IN ('HOLD', 'HOLD_RELEASED')
   AND within(payment_id, reservation) GROUP BY payment_id
"""
_UNBILLED: Final = """
EXISTS (SELECT 1 FROM transfer t WHERE t.payment_id = v.id AND t.kind = 'HOLD_RELEASED'
           AND length(t.source) > 32 AND NOT EXISTS
               (SELECT 1 FROM transfer s WHERE s.kind = 'INVOICE_PAYMENT' AND s.source = t.source
                   AND s.leg = t.leg AND s.from_id = t.to_id AND s.amount = t.amount))
"""

RESERVATIONS: Final = Sweep(
    f"""{public("hld", "v.id")} AS hold, v.amount, v.captured, v.currency, v.state,
       v.account_id AS account, v.expires_at AS expires, COALESCE(m.held, 0) AS held,
       COALESCE(m.captured, 0) AS freed""",
    f"""reservation v LEFT JOIN account a ON a.id = v.account_id
       LEFT JOIN credit_hold h ON h.payment_id = v.id
       LEFT JOIN invoice i ON i.id = v.invoice_id
       LEFT JOIN ({_CAPTURES}) m ON m.payment_id = v.id""",
    (
        Check(
            "reservation-owner",
            "a.id IS NULL OR h.id IS NULL",
            "{hold}: holds nothing, or account {account} doesn't exist",
        ),
        Check(
            "reservation-held",
            """(v.state = 'OPEN') <> (h.state = 'OPEN')
               OR (v.state = 'OPEN' AND h.amount <> v.amount - v.captured)""",
            "{hold}: {state} for {amount:money} of which {captured:money} were captured, but what"
            " it holds is another amount",
        ),
        Check(
            "reservation-transfers",
            "COALESCE(m.held, 0) <> v.amount OR COALESCE(m.captured, 0) <> v.captured",
            "{hold}: {captured:money} of {amount:money} were captured, but the ledger held"
            " {held:money} and captured {freed:money}",
        ),
        Check(
            "reservation-billed",
            f"""{_UNBILLED} OR (v.captured > 0 AND (i.id IS NULL OR i.kind <> 'ORDER'
                OR i.account_id <> v.account_id OR i.currency <> v.currency))""",
            "{hold}: {captured:money} were captured, but not all of it has paid an order of this"
            " client",
        ),
        Check(
            "reservation-late",
            "v.state = 'OPEN' AND v.expires_at < $6",
            "{hold}: {amount:money} of account {account} were held until {expires} and are still"
            " reserved",
            warning=True,
        ),
    ),
    scope="within(v.account_id)",
)

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
            "grant {grant_number}: {remaining:money} remains, but its transfers leave {net:money}",
        ),
        Check(
            "grant-redemption",
            """r.id IS NULL OR r.account_id <> g.account_id OR v.currency <> g.currency""",
            "grant {grant_number}: of {amount:money}, but account {account} redeemed no voucher"
            " for it",
        ),
        Check(
            "grant-amount",
            "g.amount <> v.amount OR g.amount <> c.amount",
            "grant {grant_number}: of {amount:money}, but its voucher was for another amount",
        ),
        Check(
            "grant-expiry",
            "(g.expires_at IS NULL) <> (v.credit_expires_at IS NULL)"
            " OR g.expires_at <> v.credit_expires_at",
            "grant {grant_number}: of {amount:money} until {expires}, but its voucher says"
            " otherwise",
        ),
        Check(
            "grant-expired",
            "g.remaining > 0 AND g.expires_at < $1",
            "grant {grant_number}: {remaining:money} of account {account} expired at {expires}"
            " and is still there",
            warning=True,
        ),
    ),
    head=NET,
    scope="within(g.account_id)",
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
            "redemption {redemption}: account {account} has no grant, voucher or credit"
            " transaction for it",
        ),
    ),
    scope="within(r.account_id)",
)

VOUCHERS: Final = Sweep(
    """v.id AS voucher, v.amount, v.currency, v.redeemed, v.max_redemptions AS most,
       COALESCE(r.counted, 0) AS counted""",
    """voucher v LEFT JOIN (SELECT voucher_id, COUNT(*) AS counted FROM redemption
                             WHERE within(voucher_id, redemption.voucher_id)
                             GROUP BY voucher_id) r ON r.voucher_id = v.id""",
    (
        Check(
            "voucher-redeemed",
            "v.redeemed <> COALESCE(r.counted, 0) OR v.redeemed > v.max_redemptions",
            "voucher {voucher}: redeemed {redeemed} times of at most {most}, but there are"
            " {counted} redemptions",
        ),
    ),
    scope="within(v.id, redemption.voucher_id)",
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
            "vouchers for {amount} minor units of {currency}: {there} exist, but staff issued"
            " {issued}",
        ),
    ),
)

#: What is older than the log may have been loaded from elsewhere: nobody here made it.
_OLDER_THAN_THE_LOG: Final = """
CASE WHEN c.created_at < (SELECT created_at FROM audit_entry ORDER BY id LIMIT 1) THEN 1 ELSE 0 END
"""

ADJUSTMENTS: Final = Sweep(
    "a.account, a.amount, a.currency, a.reason",
    f"""(SELECT account, currency, amount, reason, SUM(n) AS n, SUM(older) AS older FROM (
          SELECT {public("acc", "c.account_id")} AS account, c.currency,
                 CAST(c.amount AS TEXT) AS amount, c.note AS reason, 1 AS n,
                 {_OLDER_THAN_THE_LOG} AS older
            FROM credit_transaction c WHERE c.kind || '' = 'ADJUSTMENT' AND within(c.account_id)
          UNION ALL SELECT e.subject, e.details ->> 'currency',
                 CAST(e.details ->> 'amount' AS TEXT),
                 e.details ->> 'reason', -1, 0
            FROM audit_entry e WHERE e.action = 'credit.adjust' AND named(e.subject, acc)) every
        GROUP BY account, currency, amount, reason) a""",
    (
        Check(
            "adjustment-by",
            "a.n NOT BETWEEN 0 AND a.older",
            "{account}: the credit statement and the audit log don't agree on an adjustment of"
            ' {amount} minor units of {currency}, "{reason}"',
        ),
    ),
    scope="TRUE",
)

SWEEPS: Final = (HOLDS, RESERVATIONS, GRANTS, REDEMPTIONS, VOUCHERS, VOUCHERS_ISSUED, ADJUSTMENTS)
