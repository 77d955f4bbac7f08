"""What several mutations about signing in return."""

from __future__ import annotations

import strawberry

from schema.access.session import Viewer
from schema.core.errors import Payload


@strawberry.type
class DonePayload(Payload):
    """Whether it was done: it was if there are no `userErrors`."""


@strawberry.type
class ViewerPayload(Payload):
    """Who is signed in, after the change."""

    viewer: Viewer | None = None
    "Who is signed in now; null if nobody is."
