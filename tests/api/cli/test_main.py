"""The command line: does what it says, or says in a sentence why not, and exits with 1."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import httpx
import pytest
from typer.main import get_command

from api import demo
from api.cli import main
from api.pdf.frames import TEMPLATES
from models.access.user import User
from models.clock import now
from models.db import connection, sql
from models.factors.totp import Totp
from models.mail.outgoing import OutgoingMail
from tests.support import servers
from tests.support.command_line import SECRET, run
from tests.support.documents.views import needs_pango, pages

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("quiet_commands")


# ------------------------------------------------------------------------------- answers


def test_without_a_command_it_lists_them() -> None:
    told = run().output
    for command in ("serve", "worker", "migrate", "demo", "audit", "create-staff", "create-key"):
        assert command in told


def test_it_says_its_version() -> None:
    assert run("--version").output == f"account-credit {version('account-credit')}\n"


def test_shells_can_complete_it() -> None:
    done = run(
        _ACCOUNT_CREDIT_COMPLETE="complete_bash", COMP_WORDS="account-credit li", COMP_CWORD="1"
    )
    assert "list-keys" in done.output


#: What needs no database.
_NO_DATABASE = {"schema", "preview-document"}


def test_every_command_takes_its_database_as_an_option(tmp_path: Path) -> None:
    program: Any = get_command(main.app)
    commands = {**program.commands, **program.commands["documents"].commands}
    options = {name: {one.name for one in command.params} for name, command in commands.items()}
    without = {name for name, known in options.items() if "database_url" not in known}
    assert without == {*_NO_DATABASE, "documents"}
    there, other = (f"sqlite:///{tmp_path}/{name}.db" for name in ("there", "other"))
    assert run("migrate", "--database-url", there, url=other).exit_code == 0
    assert [path.name for path in tmp_path.glob("*.db")] == ["there.db"]
    wrong = run("migrate", "--database-url", "mysql://x/y")
    assert (wrong.exit_code, wrong.stderr.count("\n")) == (1, 1)
    assert wrong.stderr.startswith("DATABASE_URL ")


def test_serving_listens_where_its_options_say() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("serve", "--host", "127.0.0.1", "--port", str(port), PORT="1")
    assert done.exit_code == 1
    assert f"Can't listen on port {port} of 127.0.0.1" in done.stderr


@pytest.mark.parametrize("command", [["serve"], ["worker"]])
def test_no_secret_key_is_one_sentence(command: list[str]) -> None:
    done = run(*command, SECRET_KEY="", DATABASE_URL="sqlite:////tmp/never-made.db")
    assert done.exit_code == 1
    assert done.stderr.startswith("SECRET_KEY is needed")
    assert done.stderr.count("\n") == 1


def test_a_wrong_setting_is_one_sentence() -> None:
    done = run("migrate", PORT="many")
    assert (done.exit_code, done.stdout) == (1, "")
    assert re.fullmatch(r"PORT should be .*\.\n", done.stderr)


def test_a_database_that_cannot_be_opened_is_a_sentence(tmp_path: Path) -> None:
    for command in ("audit", "migrate", "serve"):
        done = run(command, url=f"sqlite://{tmp_path}/no/such/folder/credit.db")
        assert done.exit_code == 1
        assert "but no file can be written there" in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear Sir or Madam, this is no database.")
    for command in ("audit", "migrate", "serve"):
        done = run(command, url=f"sqlite://{file}")
        assert done.exit_code == 1
        assert "isn't an SQLite database" in done.stderr
    assert file.read_text().startswith("Dear")


def test_a_database_that_is_not_migrated_names_the_command(tmp_path: Path) -> None:
    (empty := tmp_path / "empty.db").touch()
    done = run("audit", url=f"sqlite://{empty}")
    assert done.exit_code == 1
    assert "it lacks 0001_initial to" in done.stderr
    assert "run: account-credit migrate" in done.stderr


@pytest.mark.parametrize("command", ["audit", "list-keys", "serve"])
def test_a_mistyped_path_makes_no_database(command: str, tmp_path: Path) -> None:
    done = run(command, url=f"sqlite://{tmp_path}/typo.db")
    assert done.exit_code == 1
    assert f"There is no database at {tmp_path}/typo.db." in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_migrate_makes_the_tables_and_may_run_again(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/new.db"
    assert run("migrate", url=url, SECRET_KEY="").exit_code == 0
    assert "up to date" in run("migrate", url=url).stderr
    assert run("audit", url=url).exit_code == 0


def test_the_schema_is_printed() -> None:
    done = run("schema", SECRET_KEY="")
    assert done.exit_code == 0
    assert done.stdout == (ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------- people and keys


def test_staff_get_a_password_that_is_asked_for_or_made(database_url: str) -> None:
    made = run("create-staff", "--email", "Ann@kaze.example", url=database_url, SECRET_KEY="")
    assert made.exit_code == 0
    assert len(made.stdout.strip()) >= 16
    command = ("create-staff", "--email", "bo@kaze.example", "--password-stdin")
    given = run(*command, url=database_url, stdin="a good pass phrase\n")
    assert (given.exit_code, given.stdout) == (0, "")
    assert "good pass" not in given.stderr


@pytest.mark.parametrize(
    ("email", "given", "said"),
    [
        ("nobody", "a good pass phrase", "email: This isn't a valid e-mail address.\n"),
        ("c@kaze.example", "short", "password: This is too short.\n"),
    ],
)
def test_staff_that_cannot_be_made_are_refused_by_field(
    database_url: str, email: str, given: str, said: str
) -> None:
    command = ("create-staff", "--email", email, "--password-stdin")
    done = run(*command, url=database_url, stdin=f"{given}\n")
    assert done.exit_code == 1
    assert done.stderr == said


def test_a_key_is_printed_alone_and_its_scopes_are_checked(database_url: str) -> None:
    command = ("create-key", "--partner", "Order desk", "--scope")
    done = run(*command, "invoices:write,credit:read", "--days", "30", url=database_url)
    assert done.exit_code == 0
    assert re.fullmatch(r"ack_[0-9a-f]+_[\w-]{43}\n", done.stdout)
    wrong = run(*command, "everything", url=database_url)
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "invoices:write" in wrong.stderr


def test_a_key_reaches_its_partners_accounts_unless_more_is_said(database_url: str) -> None:
    command = ("create-key", "--partner", "Order desk", "--scope", "credit:read")
    own = run(*command, "--allow-address", "192.0.2.0/24", url=database_url)
    every = run(*command, "--all-accounts", url=database_url)
    assert (own.exit_code, every.exit_code) == (0, 0)
    listed = json.loads(run("list-keys", "--json", url=database_url).stdout)
    assert [one["accounts"] for one in listed] == [[], None]
    both = run(*command, "--all-accounts", "--account", "acc_" + "0" * 32, url=database_url)
    assert (both.exit_code, both.stdout) == (1, "")
    refused = run(*command, "--allow-address", "my office", url=database_url)
    assert (refused.exit_code, refused.stdout) == (1, "")


@pytest.mark.parametrize("account", ["acc_nonsense", "acc_" + "0" * 32])
def test_a_key_for_an_unknown_account_is_refused(database_url: str, account: str) -> None:
    command = ("create-key", "--partner", "Desk", "--scope", "credit:read", "--account", account)
    done = run(*command, url=database_url)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1


def test_keys_are_listed_without_their_secrets_and_revoked_by_id_or_prefix(
    database_url: str,
) -> None:
    assert json.loads(run("list-keys", "--json", url=database_url).stdout) == []
    tokens = [
        run("create-key", "--partner", name, "--scope", scope, url=database_url).stdout.strip()
        for name, scope in (("Order desk", "invoices:write,credit:read"), ("Books", "credit:read"))
    ]
    listed = run("list-keys", url=database_url)
    keys = json.loads(run("list-keys", "--json", url=database_url).stdout)
    assert [(one["partner"], one["revokedAt"]) for one in keys] == [
        ("Books", None),
        ("Order desk", None),
    ]
    for token in tokens:
        mark, prefix, secret = token.split("_", 2)
        prefix = f"{mark}_{prefix}"
        assert prefix in listed.stdout
        assert secret not in listed.stdout + json.dumps(keys)
    assert listed.stdout.count("valid") == 2
    books, desk = keys
    for named in (books["id"], desk["prefix"]):
        done = run("revoke-key", named, url=database_url)
        assert (done.exit_code, done.stdout) == (0, "")
        assert "is revoked." in done.stderr
    again = run("revoke-key", tokens[0], url=database_url)
    assert (again.exit_code, again.stderr) == (0, f"{desk['id']} was already revoked.\n")
    after = json.loads(run("list-keys", "--json", url=database_url).stdout)
    assert all(one["revokedAt"] for one in after)
    assert "valid" not in run("list-keys", url=database_url).stdout


def test_a_key_is_replaced_by_one_with_its_budget_and_stays_valid_for_a_while(
    database_url: str,
) -> None:
    create = ("create-key", "--partner", "Desk", "--scope", "funds:write")
    budget = ("--daily-budget", "100.00 USD", "--daily-budget", "5000 JPY")
    old = run(*create, *budget, url=database_url).stdout.strip()
    done = run("rotate-key", old, "--old-valid-hours", "2", url=database_url)
    assert re.fullmatch(r"ack_[0-9a-f]+_[\w-]{43}\n", done.stdout)
    keys = json.loads(run("list-keys", "--json", url=database_url).stdout)
    budgets = [one["dailyBudget"] for one in keys]
    assert budgets[0] == budgets[1] != []
    assert {"amount": "100.00", "currency": "USD"} in budgets[0]
    assert sorted(one["expiresAt"] is None for one in keys) == [False, True]
    for again in (
        ("rotate-key", old),
        ("rotate-key", "ack_0123"),
        (*create, "--payment-budget", "x USD"),
        (*create, "--payment-budget", "1.001 USD"),
        ("rotate-key", done.stdout.strip(), "--old-valid-hours", "721"),
    ):
        refused = run(*again, url=database_url)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert refused.stderr.count("\n") == 1
    assert len(json.loads(run("list-keys", "--json", url=database_url).stdout)) == 2


@pytest.mark.parametrize("key", ["key_" + "0" * 32, "ack_0123", "nonsense", ""])
def test_a_key_that_is_none_is_not_revoked(database_url: str, key: str) -> None:
    made = run("create-key", "--partner", "Desk", "--scope", "credit:read", url=database_url)
    assert made.exit_code == 0
    done = run("revoke-key", key, url=database_url)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "There is no such API key. List them with: account-credit list-keys\n"
    [kept] = json.loads(run("list-keys", "--json", url=database_url).stdout)
    assert kept["revokedAt"] is None


def test_who_has_lost_their_second_factors_sets_them_up_again(database_url: str) -> None:
    email = "ada@example.com"
    assert run("create-staff", "--email", email, url=database_url).exit_code == 0

    async def enrol() -> None:
        await connection.connect(database_url)
        found = await User.get(email=email)
        await Totp.create(user_id=found.id, sealed_secret="sealed", confirmed_at=now())
        await connection.disconnect()

    async def state() -> tuple[int, list[str]]:
        await connection.connect(database_url)
        kinds = [one.kind for one in await OutgoingMail.all()]
        count = await Totp.all().count()
        await connection.disconnect()
        return count, kinds

    asyncio.run(enrol())
    done = run("reset-factors", email.upper(), url=database_url)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "can set them up again" in done.stderr
    assert asyncio.run(state()) == (0, ["second_factor_removed"])
    again = run("reset-factors", email, url=database_url)
    assert again.stderr == f"{email} had no second factors.\n"
    unknown = run("reset-factors", "nobody@example.com", url=database_url)
    assert (unknown.exit_code, unknown.stderr) == (1, "Nobody signs in with this e-mail address.\n")


# ------------------------------------------------------------------------------- demo and audit


def test_the_demo_fills_an_empty_database_once_and_gives_fresh_keys(database_url: str) -> None:
    first, second = _demo(database_url), _demo(database_url)
    currencies = [client["currency"] for client in first["clients"]]
    assert currencies == ["USD", "JPY", "EUR"]
    assert [one["accountId"] for one in first["clients"]] == [
        one["accountId"] for one in second["clients"]
    ]
    for fresh in ("staff", "partner"):
        assert first[fresh] != second[fresh]
    assert len(set(first["vouchers"] + second["vouchers"])) == 2 * 20 * len(currencies)
    assert all(len(first["vouchersByCurrency"][code]) == 20 for code in currencies)


def test_the_demo_for_people_shows_the_same(database_url: str) -> None:
    told = run("demo", url=database_url)
    assert told.exit_code == 0
    assert demo.PASSWORD in told.stdout
    assert "ack_" in told.stdout


def test_a_fill_that_was_cut_off_is_taken_up_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = demo._bonus

    async def cut_off(client: demo.DemoClient, *rest: Any) -> None:
        if client.currency == "JPY":
            raise KeyboardInterrupt
        await whole(client, *rest)

    monkeypatch.setattr(demo, "_bonus", cut_off)
    assert run("demo", url=database_url).exit_code != 0
    monkeypatch.setattr(demo, "_bonus", whole)
    _demo(database_url)
    counts = run("audit", url=database_url)
    assert counts.exit_code == 0
    assert re.search(r"^invoice +9$", counts.stdout, re.MULTILINE)


def test_the_demo_leaves_a_database_with_other_people_alone(database_url: str) -> None:
    run("create-staff", "--email", "ann@kaze.example", url=database_url)
    done = run("demo", "--json", url=database_url)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "already has users" in done.stderr


def test_books_that_add_up_are_counted_and_others_told_line_by_line(database_url: str) -> None:
    _demo(database_url)
    good = run("audit", url=database_url, SECRET_KEY="")
    assert good.exit_code == 0
    assert re.search(r"^USD deposited +68\.66$", good.stdout, re.MULTILINE)
    asyncio.run(_embezzle(database_url))
    bad = run("audit", url=database_url)
    assert bad.exit_code == 1
    assert bad.stdout.strip()
    assert "finding" in bad.stderr


def test_what_may_heal_by_itself_is_a_warning_and_the_books_add_up(database_url: str) -> None:
    _demo(database_url)
    asyncio.run(_leave_a_grant_behind(database_url))
    done = run("audit", url=database_url)
    assert done.exit_code == 0
    warning = r"^Warning: grant .* expired at 2020-01-01 .* still there$"
    assert re.search(warning, done.stderr, re.MULTILINE)
    assert "add up" in done.stderr
    assert "Warning" not in done.stdout


@pytest.mark.sqlite_only
def test_a_copy_where_nothing_can_be_written_is_audited_and_nothing_appears_beside_it(
    database_url: str, tmp_path: Path
) -> None:
    _demo(database_url)
    with _read_only_copy(database_url, tmp_path) as copy:
        before = copy.read_bytes()
        done = run("audit", url=f"sqlite://{copy}", SECRET_KEY="")
        assert done.exit_code == 0, done.stderr
        assert re.search(r"^USD deposited +68\.66$", done.stdout, re.MULTILINE)
        assert [file.name for file in copy.parent.iterdir()] == ["copy.db"]
        assert copy.read_bytes() == before


@pytest.mark.sqlite_only
def test_a_copy_whose_log_cannot_be_read_where_it_is_is_refused_with_what_to_do(
    database_url: str, tmp_path: Path
) -> None:
    _demo(database_url)
    path = database_url.removeprefix("sqlite://")
    writing = sqlite3.connect(path, isolation_level=None)
    writing.execute("PRAGMA wal_autocheckpoint = 0")
    writing.execute("UPDATE balance SET available = available + 1 WHERE available > 0")
    with _read_only_copy(database_url, tmp_path) as copy:
        done = run("audit", url=f"sqlite://{copy}", SECRET_KEY="")
        assert done.exit_code == 1
        assert "copy.db-wal has changes" in done.stderr
        assert done.stderr.count("\n") == 1
        assert sorted(file.name for file in copy.parent.iterdir()) == ["copy.db", "copy.db-wal"]
        # Where files can be written, the log is read as well.
        copy.parent.chmod(0o755)
        for file in copy.parent.iterdir():
            file.chmod(0o644)
        done = run("audit", url=f"sqlite://{copy}", SECRET_KEY="")
        assert done.exit_code == 1
        assert "balance" in done.stdout
    writing.close()


@contextmanager
def _read_only_copy(url: str, tmp_path: Path) -> Iterator[Path]:
    """A plain copy of the database, with its log where it has one, in a read-only folder."""
    path, folder = Path(url.removeprefix("sqlite://")), tmp_path / "medium"
    folder.mkdir()
    for suffix in ("", "-wal"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            copy = folder / f"copy.db{suffix}"
            shutil.copyfile(beside, copy)
            copy.chmod(0o444)
    folder.chmod(0o555)
    yield folder / "copy.db"
    folder.chmod(0o755)


def _demo(url: str) -> dict[str, Any]:
    done = run("demo", "--json", url=url)
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


async def _embezzle(url: str) -> None:
    await connection.connect(url)
    await sql.execute("UPDATE balance SET available = available + 1 WHERE currency = 'USD'")
    await connection.disconnect()


async def _leave_a_grant_behind(url: str) -> None:
    await connection.connect(url)
    for table, column in (("credit_grant", "expires_at"), ("voucher", "credit_expires_at")):
        past = f"UPDATE {table} SET {column} = '2020-01-01 00:00:00+00:00'"
        await sql.execute(f"{past} WHERE {column} IS NOT NULL")
    await connection.disconnect()


# ------------------------------------------------------------------------------- real processes


def test_the_server_and_the_demo_work_on_one_database(database_url: str, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": database_url, "PORT": str(servers.free_port())}
    with serving(tmp_path, environment) as (server, url):
        demo_told = started(["demo", "--json"], tmp_path, environment).communicate()[0]
        told = json.loads(demo_told)
        assert told["url"] == url
        for client in told["clients"]:
            assert _currency_of(client["token"], url) == client["currency"]
        second = started(["serve", "--demo"], tmp_path, environment)
        assert second.communicate()[1].startswith(f"Can't listen on port {environment['PORT']} ")
        assert second.returncode == 1
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0


def test_a_worker_stops_when_it_is_told_to(database_url: str, tmp_path: Path) -> None:
    with started(["worker"], tmp_path, {"DATABASE_URL": database_url}) as worker:
        wait_for("No mail is sent, as SMTP_URL isn't set", worker.stderr)
        wait_for("worker_started", worker.stderr)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
        assert worker.stderr is not None
        assert worker.stderr.readlines()[-1] == "Stopped.\n"


@contextmanager
def serving(cwd: Path, environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo server and its address, once it serves."""
    url = f"http://127.0.0.1:{environment['PORT']}"
    with started(["serve", "--demo"], cwd, environment) as process:
        try:
            wait_for("Serving on ", process.stderr)
            wait_for(f"{url}/graphql", process.stdout)
            yield process, url
        finally:
            process.kill()


def wait_for(words: str, output: IO[str] | None) -> None:
    assert output is not None
    lines: list[str] = []
    for line in output:
        if words in line:
            return
        lines.append(line)
    pytest.fail("".join(lines))


def started(command: list[str], cwd: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-m", "api", *command],
        cwd=cwd,
        env={**os.environ, "SECRET_KEY": SECRET, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _currency_of(token: str, url: str) -> object:
    query = {"query": "{ viewer { account { currency } } }"}
    bearer = {"authorization": f"Bearer {token}"}
    answer = httpx.post(f"{url}/graphql", json=query, headers=bearer).json()
    return answer["data"]["viewer"]["account"]["currency"]


# ------------------------------------------------------------------------------- documents


@needs_pango
def test_a_document_is_previewed_as_a_file(tmp_path: Path) -> None:
    file = tmp_path / "preview.pdf"
    told = run("preview-document", "statement", "--locale", "ja", "--out", str(file), "--no-watch")
    assert told.exit_code == 0, told.output
    assert str(file) in told.output
    assert "クレジット明細書" in pages(file.read_bytes())[0]


def test_an_unknown_document_is_named_with_those_that_there_are() -> None:
    told = run("preview-document", "menu", "--no-watch")
    assert told.exit_code == 1
    assert "invoice, " in told.output


@needs_pango
def test_a_preview_follows_the_templates(tmp_path: Path) -> None:
    templates, file = tmp_path / "templates", tmp_path / "preview.pdf"
    shutil.copytree(TEMPLATES, templates)
    command = [sys.executable, "-m", "api", "preview-document", "receipt", "--out", str(file)]
    environment = {**os.environ, "DOCUMENT_TEMPLATES": str(templates), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as watching:
        assert watching.stderr is not None
        late = threading.Timer(60, watching.kill)
        late.start()
        try:
            assert str(file) in watching.stderr.readline()
            assert "Watching" in watching.stderr.readline()
            page = templates / "receipt.html"
            page.write_text(page.read_text().replace("_('receipt.charged')", "'Changed'"))
            assert str(file) in watching.stderr.readline()
            assert "Changed" in pages(file.read_bytes())[0]
            page.write_text("{% broken")
            assert "TemplateSyntaxError" in watching.stderr.readline()
        finally:
            late.cancel()
            watching.terminate()  # a shell's background job would ignore Ctrl-C
