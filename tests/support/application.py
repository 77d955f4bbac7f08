"""The whole application on a test's own database, with the demo's data where a test wants it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
from asgi_lifespan import LifespanManager

from api.app import create_app
from api.settings.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET = "0123456789abcdef0123456789abcdef"


def demo_settings(database_url: str, **more: Any) -> Settings:
    given = {"secret_key": SECRET, "account_credit_demo": True, "embedded_worker": False}
    return load_settings(database_url=database_url, **{**given, **more})


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, which is up meanwhile; the models are connected."""
    app = create_app(settings)
    async with LifespanManager(app) as manager:
        transport = httpx.ASGITransport(manager.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=settings.public_url) as client:
            yield client


async def ask(
    client: httpx.AsyncClient, query: str, token: str = "", **variables: object
) -> dict[str, Any]:
    """The `data` of a GraphQL request that has no errors."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    asked = {"query": query, "variables": variables}
    answer = (await client.post("/graphql", json=asked, headers=headers)).json()
    assert "errors" not in answer, answer
    data: dict[str, Any] = answer["data"]
    return data
