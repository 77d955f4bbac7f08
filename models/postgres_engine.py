"""Tortoise's asyncpg client without the reset query after every use of a connection.

The reset (`SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL`) costs about a
quarter of a small query. We keep no session state in pooled connections, so there is nothing to
reset.
"""

from __future__ import annotations

from typing import Any

import asyncpg
from tortoise.backends.asyncpg.client import AsyncpgDBClient


class _Connection(asyncpg.Connection):
    def get_reset_query(self) -> str:
        return ""


class Client(AsyncpgDBClient):
    """See the module."""

    async def create_pool(self, **options: Any) -> asyncpg.Pool[Any]:  # noqa: ANN401 - Tortoise's
        """Tortoise's pool, of connections that are not reset."""
        return await super().create_pool(**{**options, "connection_class": _Connection})


client_class = Client
