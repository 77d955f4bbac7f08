"""An answer that was given is on the disk, and one that could not be kept is not given."""

from __future__ import annotations

import re
import resource
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.server.actions import adding, order
from tests.support.server.demo_server import DemoServer
from tests.support.server.many_servers import execute, lines
from tests.support.server.people import findings
from tests.support.server.sandbox_messages import captured, send, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.server.api_client import Answer
    from tests.support.servers import Databases

TRACED = "recvfrom,recvmsg,read,fsync,fdatasync,write,writev,sendto,sendmsg"


@pytest.fixture(scope="module")
def open_server(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoServer]:
    # A log that says little stays smaller than the limit on files that a test sets.
    url, folder = databases.filled(), tmp_path_factory.mktemp("server")
    server = DemoServer(folder, url, {"LOG_LEVEL": "error", "EMBEDDED_WORKER": "0"})
    assert server.demo
    server.start()
    yield server
    server.connections.close()
    assert server.stop() == 0
    databases.drop(url)


@pytest.fixture
def server(open_server: DemoServer) -> Iterator[DemoServer]:
    yield open_server
    assert findings(open_server.database_url) == []


# ------------------------------------------------------------------------------- synced


@pytest.mark.sqlite_only
def test_an_answer_is_written_after_its_commit_was_synced(
    server: DemoServer, tmp_path: Path
) -> None:
    """Being killed does not show a lost sync, strace does."""
    client = server.new_client()
    bill = order(server.partner, client, "3.00")["invoice"]
    [code] = server.vouchers("10.00")
    payment = client.begin(client.add_funds("25.00"))
    body = captured(payment, f"cap-{payment['id']}")
    acts: list[Callable[[], object]] = [
        lambda: client.do("redeemVoucher", "transaction { id }", code=code),
        lambda: client.pay(bill, useCredit=True),
        lambda: client.do("addFunds", "invoice { id }", **adding(client, "synced")),
        lambda: send(server, body, signed(body)),
    ]
    for act in acts:
        calls = _traced(server, tmp_path / "trace", act)
        asked = next(n for n, call in enumerate(calls) if _asks(call))
        answered = next(n for n, call in enumerate(calls) if n > asked and "HTTP/1.1 200" in call)
        between = calls[asked:answered]
        synced = [n for n, call in enumerate(between) if re.search(r"f(data)?sync\(.*-wal>", call)]
        written = [n for n, call in enumerate(between) if "-wal>" in call and "write" in call]
        assert synced, between
        # Nothing that belongs to the answer is written to the log after the last sync.
        assert max(synced) > max(written, default=0)


def _asks(call: str) -> bool:
    return "POST /graphql" in call or "POST /webhooks" in call


def _traced(server: DemoServer, log: Path, act: Callable[[], object]) -> list[str]:
    """The system calls of the server while it answers, in their order."""
    if shutil.which("strace") is None:
        pytest.skip("NOT SHOWN: that commits are synced before they are answered needs strace")
    assert server._process is not None
    calls = f"trace={TRACED},pwrite64"
    command = ["strace", "-f", "-y", "-s", "64", "-e", calls, "-o", str(log)]
    with subprocess.Popen(
        [*command, "-p", str(server._process.pid)], stderr=subprocess.PIPE, text=True
    ) as strace:
        assert strace.stderr is not None
        said = strace.stderr.readline()
        if "attached" not in said:
            pytest.skip(f"NOT SHOWN: strace may not look at another process here: {said}")
        try:
            act()
        finally:
            strace.terminate()
    return _whole(log.read_text().splitlines())


def _whole(trace: list[str]) -> list[str]:
    """A call that another thread's interrupted counts where it ended."""
    begun: dict[str, str] = {}
    calls = []
    for line in trace:
        thread, _, call = line.partition(" ")
        if call.endswith("<unfinished ...>"):
            begun[thread] = call
        elif "resumed>" in call:
            calls.append(begun.pop(thread, "") + call)
        else:
            calls.append(call)
    return calls


@pytest.mark.sqlite_only
def test_the_file_of_a_server_is_in_wal_mode(server: DemoServer) -> None:
    with sqlite3.connect(urlsplit(server.database_url).path) as file:
        assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    file.close()


# ------------------------------------------------------------------------------- refused


@pytest.mark.sqlite_only
def test_a_disk_that_is_full_at_the_commit_is_an_error_and_nothing_of_it_comes_later(
    server: DemoServer,
) -> None:
    client = server.new_client(credit="20.00")
    acts = _acts(server, client.account_id)
    wal = Path(urlsplit(server.database_url).path + "-wal")
    assert server._process is not None
    pid, unlimited = server._process.pid, resource.RLIM_INFINITY
    full = wal.stat().st_size
    assert full > server.log.stat().st_size
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (full, unlimited))
    try:
        for mutation, given in acts:
            assert _fails(server, mutation, given) == "TRY_AGAIN"
        assert send(server, b"{}", signed(b"{}")) == 400  # it still answers
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
    assert lines(client) == [("ADJUSTMENT", "20.00")]
    # What failed is not dragged along by the commits that follow, nor by a restart.
    server.staff.do("issueVouchers", "codes", amount=client.money("1.00"))
    assert lines(client) == [("ADJUSTMENT", "20.00")]
    server.stop()
    server.connections.close()
    server.start()
    assert lines(client) == [("ADJUSTMENT", "20.00")]
    assert len(client.invoices()) == 0
    _all_work_now(server, acts)
    assert lines(client) == [("ADJUSTMENT", "20.00"), ("ADJUSTMENT", "5.00")]


@pytest.mark.postgres_only
def test_a_commit_that_is_refused_is_an_error_and_nothing_of_it_comes_later(
    server: DemoServer,
) -> None:
    client = server.new_client(credit="20.00")
    acts = _acts(server, client.account_id)
    for statement in _REFUSE_COMMITS:
        execute(server.database_url, statement)
    try:
        for mutation, given in acts:
            assert _fails(server, mutation, given) == "TRY_AGAIN"
    finally:
        execute(server.database_url, "DROP TRIGGER at_commit ON idempotency_key")
    assert lines(client) == [("ADJUSTMENT", "20.00")]
    assert len(client.invoices()) == 0
    _all_work_now(server, acts)
    assert lines(client) == [("ADJUSTMENT", "20.00"), ("ADJUSTMENT", "5.00")]


_REFUSE_COMMITS = (
    """CREATE FUNCTION refuse_commit() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'disk_full'; END $$""",
    """CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON idempotency_key
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_commit()""",
)


def _acts(server: DemoServer, account_id: str) -> list[tuple[str, Answer]]:
    money = {"amount": "5.00", "currency": "USD"}
    line = {"description": "Virtual server", "unitPrice": "2.00"}
    key = f"kept-{account_id}-{server.port}"
    return [
        (
            "adjustCredit",
            {
                "accountId": account_id,
                "amount": money,
                "reason": "Goodwill",
                "idempotencyKey": f"{key}-1",
            },
        ),
        (
            "createInvoice",
            {
                "accountId": account_id,
                "currency": "USD",
                "lines": [line],
                "idempotencyKey": f"{key}-2",
            },
        ),
    ]


def _fails(server: DemoServer, mutation: str, given: Answer) -> str:
    name = f"{mutation[0].upper()}{mutation[1:]}Input"
    document = f"mutation ($i: {name}!) {{ {mutation}(input: $i) {{ userErrors {{ code }} }} }}"
    answer = server.staff.post(document, {"i": given})
    [error] = answer.json()["errors"]
    assert (answer.json().get("data") or {}).get(mutation) is None
    code: str = error["extensions"]["code"]
    return code


def _all_work_now(server: DemoServer, acts: list[tuple[str, Answer]]) -> None:
    """The same clicks, with their keys; each twice."""
    for mutation, given in acts * 2:
        server.staff.do(mutation, "balance { version }", **given)
