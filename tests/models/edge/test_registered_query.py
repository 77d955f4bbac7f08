from __future__ import annotations

import asyncio

import pytest

from models.db import sql
from models.edge import registered_query
from models.edge.registered_query import IdentifierTaken, identifier_of, register

pytestmark = pytest.mark.usefixtures("db")

VIEWER = "{ viewer { role } }"


async def count() -> int:
    row = await sql.fetch_one("SELECT count(*) AS n FROM persisted_document")
    assert row is not None
    return int(row["n"])


async def test_a_document_is_found_by_its_identifier_and_by_its_hash() -> None:
    assert await register({"0" * 32: VIEWER}) == 1
    sha256 = identifier_of(VIEWER)
    for identifier in ("0" * 32, sha256, sha256.removeprefix("sha256:")):
        assert await registered_query.find(identifier) == VIEWER
    for identifier in ("1" * 32, sha256[:-1], sha256.upper(), "", "0" * 31 + "%", "' OR 1=1 --"):
        assert await registered_query.find(identifier) is None


async def test_registering_again_adds_nothing() -> None:
    documents = {identifier_of(text): text for text in (f"{{ f{n} }}" for n in range(250))}
    assert await register(documents) == 250
    assert await register({**documents, "Viewer": VIEWER}) == 1
    assert await count() == 251


async def test_an_identifier_never_changes_its_document() -> None:
    await register({"Viewer": VIEWER})
    with pytest.raises(IdentifierTaken) as taken:
        await register({"Other": "{ a }", "Viewer": "{ b }"})
    assert taken.value.identifier == "Viewer"
    assert (await registered_query.find("Viewer"), await registered_query.find("Other")) == (
        VIEWER,
        None,
    )


async def test_identifiers_differ_by_case() -> None:
    await register({"viewer": "{ a }", "Viewer": "{ b }"})
    assert (await registered_query.find("viewer"), await registered_query.find("Viewer")) == (
        "{ a }",
        "{ b }",
    )


async def test_releases_that_register_at_once_agree() -> None:
    documents = {f"d{n}": f"{{ f{n} }}" for n in range(20)}
    added = await asyncio.gather(*(register(documents) for _ in range(4)))
    assert sum(added) == 20
    assert await count() == 20
