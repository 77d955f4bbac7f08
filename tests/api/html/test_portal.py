"""The portal's page and its files: what is served, under which policy, and how large it is."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette

from api.html.about import not_found_route
from api.html.portal import STATIC, Built, portal_policy, portal_routes
from api.settings.settings import load_settings
from tests.support.application import SECRET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import ModuleType

    from api.settings.settings import Settings

WEB = Path(__file__).parents[3] / "api" / "web" / "portal"
SCRIPT_BYTES_MAX = 100_000


def settings(**given: Any) -> Settings:
    return load_settings(**{"secret_key": SECRET, "account_credit_demo": True, **given})


def client_of(built: Built, **given: Any) -> httpx.AsyncClient:
    own_settings = settings(**given)
    app = Starlette(routes=portal_routes(own_settings, not_found_route(own_settings), built))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://portal")


@pytest.fixture
def a_build(tmp_path: Path) -> Built:
    """A small one, as build.py leaves it."""
    script = b"void 0;" * 100
    (tmp_path / "portal.0123456789ab.js").write_bytes(script)
    (tmp_path / "portal.0123456789ab.js.gz").write_bytes(gzip.compress(script))
    (tmp_path / "inter-latin.0123456789ab.woff2").write_bytes(b"wOF2")
    page = {
        "script": "portal.0123456789ab.js",
        "style": "portal.0123456789ab.css",
        "languages": {"en": {"name": "English", "file": "portal.en.0123456789ab.json"}},
    }
    fonts = {"inter-latin.woff2": "inter-latin.0123456789ab.woff2"}
    (tmp_path / "manifest.json").write_text(json.dumps({"pages": {"portal": page}, "fonts": fonts}))
    return Built(tmp_path)


@pytest.fixture
async def portal(a_build: Built) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(a_build) as client:
        yield client


def the_build_script() -> ModuleType:
    """It is no module of the package: set-up runs it before there is one."""
    spec = importlib.util.spec_from_file_location("portal_build", WEB.parent / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def directives(policy: str) -> dict[str, str]:
    return {name: rest for name, _, rest in (part.partition(" ") for part in policy.split("; "))}


@pytest.mark.parametrize("path", ["/", "/billing", "/billing/invoices/inv_1/return?payment=pay_1"])
async def test_every_address_of_the_portal_is_the_one_page(
    portal: httpx.AsyncClient, path: str
) -> None:
    answer = await portal.get(path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"
    assert '<script type="module" src="/static/portal.0123456789ab.js"></script>' in answer.text
    # Nothing in it that its policy forbids.
    assert not re.search(r"<style|\son\w+=|\sstyle=|<script[^>]*>[^<]", answer.text)


async def test_the_page_may_run_its_own_scripts_and_nothing_else(portal: httpx.AsyncClient) -> None:
    policy = directives((await portal.get("/")).headers["content-security-policy"])
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["font-src"] == "'self'"
    assert policy["connect-src"] == "'self' ws://127.0.0.1:8000"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["trusted-types"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in str(policy)
    assert "frame-src" not in policy


def test_stripes_hosts_are_let_in_where_its_form_is_in_the_page() -> None:
    policy = directives(portal_policy("https://credit.example", card_form=True))
    assert policy["connect-src"] == "'self' wss://credit.example https://api.stripe.com"
    assert policy["script-src"].startswith("'self' https://js.stripe.com")
    assert "https://hooks.stripe.com" in policy["frame-src"]
    assert policy["trusted-types"] == "stripe"
    assert policy["style-src"] == "'self'"
    assert "stripe" not in portal_policy("https://credit.example")


async def test_files_are_kept_forever_and_sent_compressed(portal: httpx.AsyncClient) -> None:
    script = "/static/portal.0123456789ab.js"
    packed = await portal.get(script, headers={"accept-encoding": "gzip"})
    plain = await portal.get(script, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    for answer in (packed, plain):
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == "text/javascript"
        assert answer.headers["vary"] == "Accept-Encoding"
    font = await portal.get("/static/inter-latin.0123456789ab.woff2")
    assert font.headers["content-type"] == "font/woff2"


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json",
        "portal.js",
        "portal.0123456789ab.js.gz",
        "..%2fportal.py",
        "%2e%2e/portal.py",
    ],
)
async def test_nothing_else_is_a_file(portal: httpx.AsyncClient, name: str) -> None:
    assert (await portal.get(f"/static/{name}")).status_code == 404


async def test_without_a_build_the_page_says_what_to_do(tmp_path: Path) -> None:
    async with client_of(Built(tmp_path)) as client:
        answer = await client.get("/")
        assert (await client.get("/static/portal.0123456789ab.js")).status_code == 404
    assert "make setup" in answer.text
    assert "/graphql" in answer.text


async def test_the_sellers_name_is_escaped_and_real_clients_are_not_offered(a_build: Built) -> None:
    seller = '{"name": "A & \\"B\\" <script>"}'
    async with client_of(a_build, seller=seller, account_credit_demo=False) as client:
        page = (await client.get("/")).text
    assert 'data-seller="A &amp; &quot;B&quot; &lt;script&gt;"' in page
    assert "data-demo" not in page
    async with client_of(a_build) as client:
        assert "mina@client.example" in (await client.get("/")).text


async def test_the_sellers_colour_and_logo_are_files_of_its_own(
    a_build: Built, tmp_path: Path
) -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><rect width="1"/></svg>'
    (tmp_path / "mine.svg").write_bytes(svg)
    seller = {"name": "Kaze GmbH", "brand": "Kaze", "accent": "#facc15"}
    seller["logo"] = str(tmp_path / "mine.svg")
    async with client_of(a_build, seller=json.dumps(seller)) as client:
        page = (await client.get("/")).text
        [logo] = re.findall(r'data-logo="(/static/logo\.[0-9a-f]{16}\.svg)"', page)
        [style] = re.findall(r'href="(/static/brand\.[0-9a-f]{16}\.css)"', page)
        picture, sheet = await client.get(logo), await client.get(style)
    assert 'data-seller="Kaze"' in page
    assert (picture.content, picture.headers["content-type"]) == (svg, "image/svg+xml")
    assert "--mark:#facc15;--on-mark:#0f172a" in sheet.text
    assert "--accent:light-dark(#facc15" not in sheet.text
    async with client_of(a_build) as client:
        page = (await client.get("/")).text
    assert "data-logo" not in page
    assert "brand." not in page


def test_a_build_is_stale_as_soon_as_a_source_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = the_build_script()
    web, static = tmp_path / "web", tmp_path / "static"
    (web / "portal").mkdir(parents=True)
    static.mkdir()
    monkeypatch.setattr(build, "WEB", web)
    monkeypatch.setattr(build, "STATIC", static)
    (web / "portal" / "main.tsx").write_text("one")
    assert not build.is_built()
    (static / "manifest.json").write_text(json.dumps({"sources": build.digest()}))
    assert build.is_built()
    (web / "portal.png").write_bytes(b"a picture")
    assert build.is_built()
    (web / "portal" / "main.tsx").write_text("two")
    assert not build.is_built()


def test_what_is_bundled_brings_its_licenses() -> None:
    licenses = next(STATIC.glob("licenses.*.txt"), None)
    if licenses is None:
        pytest.skip("NOT TESTED: api/static has not been built (make setup)")
    packages = json.loads((WEB.parent / "package.json").read_text())["dependencies"]
    said = licenses.read_text()
    assert [name for name in packages if f"{name}\n\n" not in said] == []


def test_all_scripts_together_are_small() -> None:
    if not (STATIC / "manifest.json").exists():
        pytest.skip("NOT TESTED: api/static has not been built (make setup)")
    sizes = {path.name: path.stat().st_size for path in STATIC.glob("portal.*.js")}
    assert 0 < sum(sizes.values()) <= SCRIPT_BYTES_MAX, sizes


def test_catalogues_have_the_same_texts_with_the_same_facts() -> None:
    catalogues = {path.stem: json.loads(path.read_text()) for path in WEB.glob("locales/*.json")}
    english = catalogues.pop("en")
    assert catalogues
    for language, texts in catalogues.items():
        assert texts.keys() <= english.keys(), language
        # A language without a singular has none.
        missing = english.keys() - texts.keys()
        assert [key for key in missing if not key.endswith(".one")] == [], language
        for key, text in texts.items():
            facts = set(re.findall(r"{\w+}", text))
            assert facts == set(re.findall(r"{\w+}", english[key])), (language, key)


def test_every_text_is_used() -> None:
    sources = "\n".join(path.read_text() for path in WEB.rglob("*.ts*"))
    named = set(re.findall(r'"([\w.-]+)"', sources)) | {"language.name"}  # by build.py
    begun = tuple(re.findall(r"`([\w.-]+\.)\$\{", sources))
    english = json.loads((WEB / "locales" / "en.json").read_text())
    keys = {re.sub(r"\.(one|other)$", "", key) for key in english}
    assert [key for key in keys - named if not key.startswith(begun)] == []
