"""The audit log."""

from __future__ import annotations

import pytest

from models.access.user import create_staff
from models.clock import now
from models.db.transactions import transaction
from models.journal.audit_log import AuditEntry
from models.journal.journal import Journal
from tests.support.identities import ADDRESS

pytestmark = pytest.mark.usefixtures("db")


async def test_the_log_says_who_did_what_to_what_from_where() -> None:
    actor = (await create_staff("ada@example.com", None)).actor(ADDRESS)
    when = now()
    journal = Journal()
    journal.log(actor, "invoice.void", "inv_1", reason="late", at=when)
    await transaction(journal.write)
    entry = await AuditEntry.get()
    assert (entry.user_id, entry.role, entry.address) == (actor.user_id, "STAFF", ADDRESS)
    assert (entry.action, entry.subject, entry.key_id) == ("invoice.void", "inv_1", None)
    assert entry.details["reason"] == "late"
