"""Retention: how long data is kept that is not kept for good.

Money and what moved it, invoices, payments and the audit log are never deleted. What the provider
decides (how long documents and events are kept, how long a session lasts) is a setting; what time
limits a single answer (a rate limit's window, a link) is beside it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

#: An idempotency key's answer. What an old key does after that: `models.journal.idempotency`.
KEYS: Final = timedelta(days=60)
#: A session, after it has run out.
SESSIONS: Final = timedelta(days=30)
#: A second factor's challenge, after it has run out.
CHALLENGES: Final = timedelta(days=1)
#: That a browser has been signed in with, since it last was. Browsers keep nothing longer.
DEVICES: Final = timedelta(days=400)
#: Which body came under a signed id. Longer than any gateway's messages are good for (PayPal's: 31
#: days).
TRANSMISSIONS: Final = timedelta(days=40)
#: Mails, whether they were sent or not.
MAILS: Final = timedelta(days=30)
#: One-use tokens, after they have run out: they hold what somebody wrote who signed up.
TOKENS: Final = timedelta(days=1)
#: How long a message about a payment that we do not know is tried again; then people look at it.
PARKED_MESSAGES: Final = timedelta(days=7)
