"""Checks of what partners were told: deliveries against endpoints, keys and events.

What a key may see changes only with its accounts' partner: its scopes, and whether it reaches all
accounts, are those of the first of its line. So it is proven of what was told long ago as well.
"""

from __future__ import annotations

from typing import Final

from models.access.identity import SCOPES
from models.audit.check import Check, Sweep, public
from models.journal.outbox import FactKind
from models.partners import rights
from models.partners.message import TEST
from models.partners.pattern import ALL, scopes_of

#: Each kind of event, the pattern of its noun, and a scope that it may be heard with: a row each.
_ROWS: Final = ", ".join(
    f"('{kind}', '{kind.partition('.')[0]}.*', '{scope}')"
    for kind in FactKind
    for scope in SCOPES
    if rights.may(scope, scopes_of(kind))
)
_KINDS: Final = f"kinds (kind, noun, scope) AS (VALUES {_ROWS})"
_HAS_SCOPE: Final = "' ' || k.scopes || ' ' LIKE '% ' || g.scope || ' %'"

#: Whether a key names accounts, and whether this is one of them.
_NAMES: Final = "EXISTS (SELECT 1 FROM key_account c WHERE c.api_key_id = e.line_id)"
_NAMED: Final = """EXISTS (SELECT 1 FROM key_account c
               WHERE c.api_key_id = e.line_id AND c.account_id = v.account_id)"""
#: Whether the account may have been another partner's before.
_MOVED: Final = f"""EXISTS (SELECT 1 FROM audit_entry x
               WHERE x.subject = {public("acc", "v.account_id")} AND x.action = 'account.update'
                 AND x.details ->> 'partner_id' IS NOT NULL)"""

DELIVERIES: Final = Sweep(
    f"""{public("whd", "d.id")} AS delivery, {public("whe", "d.endpoint_id")} AS endpoint, d.kind,
       d.state, d.event_id AS event, v.account_id AS account, d.next_at AS due""",
    """webhook_delivery d LEFT JOIN webhook_endpoint e ON e.id = d.endpoint_id
       LEFT JOIN api_key k ON k.id = e.line_id LEFT JOIN event v ON v.id = d.event_id
       LEFT JOIN account a ON a.id = v.account_id""",
    (
        Check(
            "delivery-endpoint",
            "e.id IS NULL OR k.id IS NULL OR k.user_id <> e.user_id",
            "{delivery}: {kind} goes to {endpoint}, which isn't there or has no key of its partner",
        ),
        Check(
            "delivery-event",
            f"""(d.event_id IS NULL) <> (d.kind = '{TEST}') OR v.kind <> d.kind
               OR (v.id IS NOT NULL AND v.position IS NULL)
               OR (v.id IS NULL AND d.event_id > (SELECT id FROM oldest))""",
            "{delivery}: {kind} is for event {event}, which isn't there, isn't published or is of"
            " another type",
        ),
        Check(
            "delivery-hears",
            f"""(SELECT MAX(CASE WHEN {_HAS_SCOPE} THEN 1 ELSE 0 END) FROM kinds g
                  WHERE g.kind = d.kind) = 0
               OR (v.id IS NOT NULL AND NOT k.all_accounts AND NOT {_NAMED}
                   AND ({_NAMES} OR (COALESCE(a.partner_id <> e.user_id, TRUE) AND NOT {_MOVED})))
            """,
            "{delivery}: {endpoint} is told of {kind} of account {account}, which its key may not"
            " see",
        ),
        Check(
            "delivery-state",
            """d.tries > d.claims OR d.next_at > $2
               OR (d.state <> 'PENDING' AND d.leased_until_at IS NOT NULL)
               OR (d.state <> 'PENDING' AND d.created_at > (SELECT since FROM attempts)
                   AND NOT EXISTS (SELECT 1 FROM webhook_attempt t WHERE t.delivery_id = d.id
                       AND (t.problem IS NULL) = (d.state = 'DELIVERED')))""",
            "{delivery}: {kind} is {state}, next at {due}, which its attempts don't say",
        ),
        Check(
            "delivery-late",
            """d.next_at < $1 AND e.disabled_at IS NULL AND e.deleted_at IS NULL
               AND e.failing_since_at IS NULL""",
            "{delivery}: {kind} was due at {due}, and {endpoint} hasn't been told yet",
            warning=True,
        ),
    ),
    # What is kept begins somewhere: events are forgotten in the order of their positions, which is
    # that of their ids but for those of the same moment; attempts by another host's clock.
    head=f"""{_KINDS},
oldest AS MATERIALIZED (
SELECT id FROM event WHERE position IS NOT NULL ORDER BY position LIMIT 1 OFFSET 100),
attempts AS MATERIALIZED (
SELECT minute_after(t.first) AS since
  FROM (SELECT MIN(created_at) AS first FROM webhook_attempt) t)""",
    scope="(recent(d.id) OR d.next_at < $1)",
)

#: Endpoints that hear of a kind, and since when they have: they were created, enabled or given
#: other patterns, and the transaction that did so has ended.
_HEARS: Final = f"""
{_KINDS},
hears AS MATERIALIZED (
SELECT h.*, minute_after(h.set_at) AS since FROM (
SELECT DISTINCT e.id, e.line_id, e.user_id, k.all_accounts, g.kind,
       COALESCE((SELECT MAX(x.created_at) FROM audit_entry x
          WHERE x.subject = {public("whe", "e.id")} AND x.action = 'webhook_endpoint.update'
            AND (x.details ->> 'changed' LIKE '%"events"%'
                 OR x.details ->> 'changed' LIKE '%"disabled_at"%')), e.created_at) AS set_at
  FROM webhook_endpoint e {rights.OF_KEY}
  CROSS JOIN kinds g
 WHERE e.disabled_at IS NULL AND e.deleted_at IS NULL AND {rights.in_force("$7")}
   AND {_HAS_SCOPE} AND listed(e.events, g.kind, g.noun, '{ALL}')) h)"""

UNTOLD: Final = Sweep(
    f"v.id AS event, v.kind, {public('whe', 'e.id')} AS endpoint, v.account_id AS account",
    # The events are gone through once; each endpoint's delivery is found by its index.
    "event v LEFT JOIN hears e ON e.kind = v.kind LEFT JOIN account a ON a.id = v.account_id",
    (
        Check(
            "delivery-missing",
            f"""e.id IS NOT NULL AND v.position IS NOT NULL AND v.created_at > e.since
               AND v.created_at <= $7
               AND v.created_at > (SELECT MIN(created_at) FROM webhook_delivery)
               AND (e.all_accounts OR {_NAMED}
                    OR (a.partner_id = e.user_id AND NOT {_NAMES} AND NOT {_MOVED}))
               AND NOT EXISTS (SELECT 1 FROM webhook_delivery d
                                WHERE d.endpoint_id = e.id AND d.event_id = v.id)""",
            "event {event}: {endpoint} isn't told of {kind} of account {account}",
        ),
    ),
    head=_HEARS,
    scope="recent(v.id)",
)

SWEEPS: Final = (DELIVERIES, UNTOLD)
