"""GraphiQL's page: where it is, and under which policy."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette

from api.html.about import addresses, not_found_route
from api.html.graphiql import PATH, graphiql_routes
from api.html.portal import Built
from api.settings.settings import load_settings
from tests.support.application import SECRET

if TYPE_CHECKING:
    from pathlib import Path


def client_of(folder: Path, **given: Any) -> httpx.AsyncClient:
    own_settings = load_settings(secret_key=SECRET, **given)
    app = Starlette(
        routes=graphiql_routes(own_settings, not_found_route(own_settings, PATH), Built(folder)),
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api")


@pytest.fixture
def a_build(tmp_path: Path) -> Path:
    page = {"script": "graphiql.0123456789ab.js", "style": "graphiql.0123456789ab.css"}
    (tmp_path / "manifest.json").write_text(json.dumps({"pages": {"graphiql": page}}))
    return tmp_path


async def test_its_policy_allows_its_own_files_and_one_nonce_for_each_answer(
    a_build: Path,
) -> None:
    async with client_of(a_build, graphiql=True, public_url="https://credit.example") as client:
        answer, other = await client.get(PATH), await client.get(PATH)
    nonce = re.search(r'nonce="([\w-]{20,})"', answer.text)
    assert nonce is not None
    assert nonce[1] not in other.text
    policy = answer.headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert f"style-src 'self' 'nonce-{nonce[1]}'" in policy
    assert "connect-src 'self' wss://credit.example" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "trusted-types default" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in str(policy)
    assert answer.headers["cache-control"] == "no-store"
    assert '<script type="module" src="/static/graphiql.0123456789ab.js"' in answer.text
    # Nothing in it that its policy forbids.
    assert not re.search(r"<style|\son\w+=|\sstyle=|<script[^>]*>[^<]", answer.text)


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ({}, False),
        ({"graphiql": True}, True),
        ({"account_credit_demo": True}, True),
        ({"account_credit_demo": True, "graphiql": False}, False),
    ],
)
async def test_it_is_there_in_demo_mode_or_where_it_is_switched_on(
    a_build: Path, given: dict[str, bool], *, there: bool
) -> None:
    async with client_of(a_build, **given) as client:
        assert (await client.get(PATH)).status_code == (200 if there else 404)
    shown = addresses(load_settings(secret_key=SECRET, **given))
    assert ("GraphiQL" in shown) is there


async def test_without_a_build_its_page_says_what_to_do(tmp_path: Path) -> None:
    async with client_of(tmp_path, graphiql=True) as client:
        assert "make setup" in (await client.get(PATH)).text
