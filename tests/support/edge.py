"""What the HTTP endpoint lends to the schema, without HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schema.core.context import Context
from schema.core.watch import Watchers
from tests.support.identities import ADDRESS
from tests.support.staffed_provider import document_url

if TYPE_CHECKING:
    from schema.engine.guard import Schema


class Browser(Context):
    """Notes what it is to keep."""

    def __init__(self, cookies: list[str | None]) -> None:
        super().__init__(
            actor=None, watchers=Watchers(), document_url=document_url, address=ADDRESS
        )
        self.cookies = cookies

    def set_session_cookie(self, token: str) -> None:
        self.cookies.append(token)

    def clear_session_cookie(self) -> None:
        self.cookies.append(None)


class Edge:
    """What the HTTP endpoint lends to one operation, and what became of it."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.cookies: list[str | None] = []
        self.context = Browser(self.cookies)

    async def run(self, document: str, **variables: str) -> Any:
        result = await self.schema.execute(document, variables, self.context)
        assert result.errors is None, result.errors
        return result.data
