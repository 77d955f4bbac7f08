"""The script of the elements: how it is served, how large it is, and what is told of it."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette

from api.html.about import not_found_route
from api.html.embed import embed_routes
from api.html.portal import STATIC, Built, portal_routes
from api.settings.settings import load_settings
from tests.support.application import SECRET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: 45 KB.
SCRIPT_BYTES_MAX = 45_000

ROOT = Path(__file__).parents[3]
EMBED = ROOT / "api" / "web" / "portal" / "embed"


def client_of(built: Built, **given: Any) -> httpx.AsyncClient:
    settings = load_settings(**{"secret_key": SECRET, "account_credit_demo": True, **given})
    routes = portal_routes(settings, not_found_route(settings), built)
    app = Starlette(routes=[*routes, *embed_routes(settings, built)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://credit")


@pytest.fixture
def built() -> Built:
    if not (STATIC / "manifest.json").exists():
        pytest.skip("NOT TESTED: api/static has not been built (make setup)")
    return Built()


@pytest.fixture
async def server(built: Built) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(built) as client:
        yield client


def facts_of(script: str) -> dict[str, str]:
    """What the server put into the script."""
    [facts] = re.findall(r'JSON\.parse\(("\{.*?\}")\)\b', script.replace(")", ")x"))
    found: dict[str, str] = json.loads(json.loads(facts.replace(")x", ")")))
    return found


async def test_pages_of_any_origin_may_load_it_and_ask_for_a_newer_one_soon(
    server: httpx.AsyncClient,
) -> None:
    answer = await server.get("/embed.js")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/javascript"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["access-control-allow-origin"] == "*"
    again = await server.get("/embed.js", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"]
    assert again.headers["access-control-allow-origin"] == "*"


async def test_it_is_at_most_45_kb_before_compression(server: httpx.AsyncClient) -> None:
    packed = await server.get("/embed.js", headers={"accept-encoding": "gzip"})
    plain = await server.get("/embed.js", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert len(gzip.compress(plain.content)) < len(plain.content)
    assert 0 < len(plain.content) <= SCRIPT_BYTES_MAX


async def test_what_it_loads_is_there_for_any_page(server: httpx.AsyncClient) -> None:
    facts = facts_of((await server.get("/embed.js")).text)
    languages = json.loads(facts["languages"])
    assert {"en", "ja"} <= languages.keys()
    for file in (facts["style"], *(language["file"] for language in languages.values())):
        answer = await server.get(f"/static/{file}")
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "immutable" in answer.headers["cache-control"]


async def test_all_that_it_asks_is_registered(built: Built, server: httpx.AsyncClient) -> None:
    script = (await server.get("/embed.js")).text
    shared = dict(re.findall(r'(\$\w)="([^"]*)"', script))
    asked = [
        re.sub(r"\$\{(\$\w)\}", lambda part: shared[part[1]], text)
        for text in re.findall(r'["`]((?:query|mutation|subscription|fragment) [^"`]+)["`]', script)
    ]
    assert len(asked) > 10
    registered = {line for text in built.documents.values() for line in text.split("\n")}
    assert [text for text in asked if text not in registered] == []


async def test_texts_are_those_of_the_portal_and_no_others(built: Built) -> None:
    assert built.manifest is not None
    files = built.manifest["pages"]["embed"]["languages"]
    for tag, language in files.items():
        source = json.loads((EMBED.parent / "locales" / f"{tag}.json").read_text())
        texts = json.loads(built.files[language["file"]])
        assert set(texts.values()) <= set(source.values())
        assert source["credit.available"] in texts.values()
        assert source["voucher.redeem"] not in texts.values()


async def test_the_provider_is_told_in_it(built: Built) -> None:
    seller = {"name": 'A & "B" </script>', "accent": "#0f766e", "timezone": "Asia/Tokyo"}
    async with client_of(built, seller=json.dumps(seller)) as client:
        facts = facts_of((await client.get("/embed.js")).text)
    assert facts["seller"] == seller["name"]
    assert facts["zone"] == "Asia/Tokyo"
    assert facts["colours"].startswith(":host{--accent:var(--account-credit-accent,light-dark(#")


async def test_without_a_build_there_is_none(tmp_path: Path) -> None:
    async with client_of(Built(tmp_path)) as client:
        assert (await client.get("/embed.js")).status_code == 404


def test_its_style_has_no_root_to_measure_by_and_no_unused_parts(built: Built) -> None:
    assert built.manifest is not None
    style = built.files[built.manifest["pages"]["embed"]["style"]].decode()
    assert "rem" not in re.findall(r"[\d.](r?em)\b", style)
    assert "@container" in style
    assert ".pill" in style
    assert ".tabs" not in style
    assert "@font-face" not in style


# ------------------------------------------------------------------------------- what is told

README = (ROOT / "schema" / "README.md").read_text(encoding="utf-8")
TOLD = README.partition("## Embedding")[2].partition("\n## ")[0]


def told(head: str) -> set[str]:
    """The names in the first column of the table with this head."""
    [table] = re.findall(rf"^\| {head} \|.*\n\| ---.*\n((?:\|.*\n)+)", TOLD, re.MULTILINE)
    return set(re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE))


def source(*names: str) -> str:
    return "\n".join((EMBED / name).read_text(encoding="utf-8") for name in names)


def test_every_element_is_told() -> None:
    assert told("Element") == set(re.findall(r'define\("([\w-]+)"', source("main.tsx")))


def test_every_attribute_and_property_is_told() -> None:
    read = source("page.ts", "element.tsx")
    [observed] = re.findall(r"ATTRIBUTES = \[(.*)\]", read)
    asked = set(re.findall(r'attribute\("([\w-]+)"\)|getAttribute\("([\w-]+)"\)', read))
    names = {one or other for one, other in asked}
    assert set(re.findall(r'"([\w-]+)"', observed)) <= names
    assert told("Attribute") == names
    assert told("Property") == set(re.findall(r"^    set (\w+)\(", read, re.MULTILINE))


def test_every_event_is_told() -> None:
    assert told("Event") == set(re.findall(r'\btell\([^"\n]*"([\w-]+)"', source("page.ts")))


def test_every_variable_is_told() -> None:
    styles = [*EMBED.glob("*.css"), *(EMBED.parent / "styles").glob("*.css")]
    used = "\n".join(path.read_text(encoding="utf-8") for path in styles)
    variables = set(re.findall(r"var\((--account-credit-[\w-]+)", used))
    assert {f"--{name.lstrip('-')}" for name in told("Variable")} == variables


def test_the_limits_that_are_told_are_those_that_hold() -> None:
    text = " ".join(TOLD.split())
    assert f"at most {SCRIPT_BYTES_MAX // 1000} KB before compression" in text
    assert "cached for five minutes" in text
    assert "unsafe" not in TOLD.partition("```text policy")[2].partition("```")[0]
