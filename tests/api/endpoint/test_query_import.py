"""`account-credit documents import`, and what production answers then."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from api.cli import commands
from models.db import connection
from models.edge import registered_query
from tests.support.application import demo_settings, running
from tests.support.command_line import run

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("quiet_commands")]


SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { token userErrors { code } } }"
VIEWER = "query Viewer { viewer { role } }"
LIVE = "subscription Live { creditUpdated { balance { version } } }"


def sha256(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def imported(folder: Path, content: object, url: str) -> Result:
    file = folder / "documents.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return run("documents", "import", str(file), url=url, SECRET_KEY="")


def test_the_files_of_codegen_and_relay_are_registered_once(
    database_url: str, tmp_path: Path
) -> None:
    codegen = {sha256(VIEWER): VIEWER, sha256(LIVE).removeprefix("sha256:"): LIVE}
    relay = {md5(VIEWER): VIEWER, md5(SIGN_IN): SIGN_IN}
    for content, said in (
        (codegen, "Newly registered documents: 2. Already registered: 0.\n"),
        (relay, "Newly registered documents: 2. Already registered: 0.\n"),
        ({**codegen, **relay, sha1(LIVE): LIVE}, "Newly registered documents: 1. Already"),
    ):
        done = imported(tmp_path, content, database_url)
        assert (done.exit_code, done.stdout) == (0, "")
        assert done.stderr.startswith(said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "isn't valid JSON"),
        ([VIEWER], "isn't a JSON object"),
        ({}, "isn't a JSON object"),
        ({"Viewer": 7}, "Viewer: the document isn't a string."),
        ({"a b": VIEWER}, "a b: this isn't a valid ID."),
        ({"x" * 300: VIEWER}, f"{'x' * 80}…: this isn't a valid ID."),
        ({sha256(LIVE): VIEWER}, "this isn't the hash of the document."),
        ({md5(LIVE): VIEWER}, "this isn't the hash of the document."),
        ({sha1(LIVE): VIEWER}, "this isn't the hash of the document."),
        ({"Bad": "{"}, "Bad: Syntax Error"),
        ({"Bad": ""}, "Bad: Syntax Error"),
        ({"Bad": "{ nothing }"}, "Bad: Cannot query field 'nothing' on type 'Query'."),
        ({"Bad": "{ " + "a: viewer { role } " * 50 + "}"}, "Bad: The document has too many"),
        ({"Bad": "fragment F on Query { viewer { role } }"}, "Bad: Fragment 'F' is never used."),
    ],
)
def test_what_cannot_be_executed_is_not_registered(
    database_url: str, tmp_path: Path, content: Any, said: str
) -> None:
    with_good = {"Good": VIEWER, **content} if isinstance(content, dict) and content else content
    done = imported(tmp_path, with_good, database_url)
    assert (done.exit_code, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    again = imported(tmp_path, {"Good": VIEWER}, database_url)
    assert again.stderr.startswith("Newly registered documents: 1."), "nothing was registered"


def test_a_file_that_is_not_there_is_a_sentence(database_url: str, tmp_path: Path) -> None:
    done = run("documents", "import", str(tmp_path / "none.json"), url=database_url)
    assert done.exit_code == 1
    assert done.stderr.endswith("none.json can't be read: No such file or directory.\n")


def test_problems_are_listed_up_to_a_point(database_url: str, tmp_path: Path) -> None:
    done = imported(tmp_path, {f"Bad{n}": "{" for n in range(50)}, database_url)
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 21
    assert done.stderr.endswith("And 30 more.\n")


def test_an_identifier_that_means_another_document_is_a_sentence(
    database_url: str, tmp_path: Path
) -> None:
    assert imported(tmp_path, {"Viewer": VIEWER}, database_url).exit_code == 0
    done = imported(tmp_path, {"Viewer": LIVE}, database_url)
    assert done.exit_code == 1
    assert done.stderr == "Viewer is already registered with a different document.\n"


async def test_in_production_clients_ask_what_is_registered_and_staff_anything(
    db: str,
) -> None:
    await registered_query.register({sha256(VIEWER): VIEWER, sha256(SIGN_IN): SIGN_IN})
    await connection.disconnect()
    settings = demo_settings(db, persisted_documents="only")
    told = await commands.demo_sign_ins(settings)
    async with running(settings) as client:

        async def post(token: str, **body: Any) -> dict[str, Any]:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            answer: dict[str, Any] = (
                await client.post("/graphql", json=body, headers=headers)
            ).json()
            return answer

        mina, staff, partner = told["clients"][0], told["staff"], told["partner"]["key"]
        asked = {key: mina[key] for key in ("email", "password")}
        signed_in = await post("", documentId=sha256(SIGN_IN), variables={"input": asked})
        token = signed_in["data"]["signIn"]["token"]
        for who in (token, mina["token"]):
            seen = await post(who, documentId=sha256(VIEWER))
            assert seen == {"data": {"viewer": {"role": "CLIENT"}}}
        for who in ("", token, partner):
            refused = await post(who, query="{ viewer { scopes } }")
            assert refused["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_ONLY"
            schema = await post(who, query="{ __schema { queryType { name } } }")
            assert schema["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_ONLY"
        assert await post(staff["token"], query="{ viewer { role scopes } }") == {
            "data": {"viewer": {"role": "STAFF", "scopes": []}}
        }
        schema = await post(staff["token"], query="{ __schema { queryType { name } } }")
        assert schema == {"data": {"__schema": {"queryType": {"name": "Query"}}}}
    await connection.connect(db)
