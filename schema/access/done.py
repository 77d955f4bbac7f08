"""What mutations answer that have nothing to show."""

from __future__ import annotations

import strawberry

from schema.core.errors import Payload


@strawberry.type
class DonePayload(Payload):
    """It is done, unless there are `userErrors`."""
