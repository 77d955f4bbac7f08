"""`serve --workers`: several processes are one server, whichever answers and whichever ends."""

from __future__ import annotations

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from tests.support.documents.views import needs_pango
from tests.support.server.actions import adding, order
from tests.support.server.demo_server import DemoServer, open_demo_server
from tests.support.server.live import CREDIT, streaming, watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.servers import Databases

pytestmark = pytest.mark.postgres_only

PROCESSES: Final = 3


@pytest.fixture(scope="module")
def server(
    databases: Databases, redis_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoServer]:
    folder = tmp_path_factory.mktemp("processes")
    several = {"WEB_CONCURRENCY": str(PROCESSES), "REDIS_URL": redis_server, "PDF_AHEAD": "1"}
    with open_demo_server(folder, databases, **several) as opened:
        yield opened


def children(pid: int, command: str) -> set[int]:
    """The processes that `pid` has started with a command like that."""
    found = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            line = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            if command in line:
                found.add(int(child))
    return found


def serving(server: DemoServer) -> set[int]:
    return children(server.pid, "spawn_main")


def soon(is_so: Callable[[], bool]) -> bool:
    """Whether it is so within a while."""
    until = monotonic() + 30
    while not is_so() and monotonic() < until:
        sleep(0.05)
    return is_so()


def metric(server: DemoServer, name: str) -> float:
    """The sum of all samples of that name, as one scrape tells it."""
    told = httpx.get(f"{server.url}/metrics").text
    samples = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", told, re.MULTILINE)
    return sum(float(value) for value in samples)


def ask_each(server: DemoServer, times: int) -> set[int]:
    """The statuses of requests on as many connections, at once."""
    with ThreadPoolExecutor(16) as pool:
        return set(pool.map(lambda _: httpx.get(f"{server.url}/healthz").status_code, range(times)))


def test_all_serve_on_one_port_and_one_is_replaced_that_ends(server: DemoServer) -> None:
    before = serving(server)
    assert len(before) == PROCESSES
    os.kill(gone := min(before), signal.SIGKILL)
    assert soon(lambda: len(serving(server) - {gone}) == PROCESSES)
    assert before - {gone} < serving(server)
    assert ask_each(server, 60) == {200}


def test_one_that_ends_while_it_is_asked_whether_it_lives_is_replaced_at_once(
    server: DemoServer,
) -> None:
    before = serving(server)
    # One that replaces another: the first ones have answered more often than they were asked.
    os.kill(gone := min(before), signal.SIGKILL)
    assert soon(lambda: len(serving(server) - {gone}) == PROCESSES)
    (new,) = serving(server) - before
    assert soon(lambda: server.log.read_text().count(f"Started server process [{new}]") == 1)
    os.kill(new, signal.SIGSTOP)
    sleep(1.5)  # each is asked twice a second, and has a minute for its answer
    os.kill(new, signal.SIGKILL)
    assert soon(lambda: len(serving(server) - {new}) == PROCESSES)
    assert soon(lambda: answers(server))


def test_what_one_does_the_clients_of_all_hear_at_once(server: DemoServer) -> None:
    ada = server.new_client(credit="10.00")
    with ExitStack() as stack:
        # As many connections as make it all but certain that each process has some.
        heard = [
            stack.enter_context((watching, streaming)[n % 2](server.portal(**known(ada)), CREDIT))
            for n in range(4 * PROCESSES)
        ]
        for hear in heard:
            assert hear()["balance"]["available"] == "10.00"
        bill = order(server.partner, ada, "4.00")["invoice"]
        ada.do("payInvoice", "invoice { status }", invoiceId=bill["id"], useCredit=True)
        for hear in heard:
            update = hear()
            assert update["balance"]["available"] == "6.00"
            assert update["transaction"]["amount"] == "-4.00"


def known(client: object) -> dict[str, str]:
    return {name: getattr(client, name) for name in ("token", "account_id", "currency")}


def test_a_click_that_reaches_several_processes_is_one_invoice(server: DemoServer) -> None:
    ada = server.new_client()
    with ThreadPoolExecutor(12) as pool:
        asked = [
            pool.submit(
                server.portal(**known(ada)).do, "addFunds", "invoice { id }", **adding(ada, "once")
            )
            for _ in range(12)
        ]
        assert len({one.result()["invoice"]["id"] for one in asked}) == 1


def test_a_scrape_tells_of_all_processes(server: DemoServer) -> None:
    name = "account_credit_request_seconds_count"
    before = metric(server, name)
    assert ask_each(server, 60) == {200}
    assert metric(server, name) >= before + 60
    # Open ones, and none of those that a process had which is no more.
    ada = server.new_client()
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(watching(server.portal(**known(ada)), CREDIT))()
        assert soon(lambda: metric(server, "account_credit_live_subscriptions") == 6)
        victims = serving(server)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        assert soon(lambda: len(serving(server) - victims) == PROCESSES)
        assert soon(lambda: answers(server))
        assert soon(lambda: metric(server, "account_credit_live_subscriptions") == 0)
    assert metric(server, name) >= before + 60, "what was counted stays counted"


def answers(server: DemoServer) -> bool:
    try:
        return httpx.get(f"{server.url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


@needs_pango
def test_they_share_the_processes_that_render(server: DemoServer) -> None:
    assert soon(lambda: len(children(server.pid, "api.pdf.printer")) == 2)
    assert all(children(pid, "api.pdf.printer") == set() for pid in serving(server))
    ada = server.new_client(credit="20.00")
    links = [order(server.partner, ada, "1.00")["invoice"]["pdfUrl"] for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda link: httpx.get(link, timeout=60), links))
    assert [one.status_code for one in made] == [200] * 6
    assert all(one.content.startswith(b"%PDF") for one in made)
    gone = children(server.pid, "api.pdf.printer")
    for pid in gone:  # they have nothing to do
        os.kill(pid, signal.SIGKILL)
    assert soon(lambda: not any(Path(f"/proc/{pid}").exists() for pid in gone))
    for _ in range(2):
        link = order(server.partner, ada, "1.00")["invoice"]["pdfUrl"]
        assert httpx.get(link, timeout=60).content.startswith(b"%PDF")
    assert httpx.get(f"{server.url}/readyz").json()["checks"]["pdf"] == "ok"


def test_one_of_them_does_the_background_jobs_and_another_after_it(
    databases: Databases, redis_server: str, tmp_path: Path
) -> None:
    with open_demo_server(
        tmp_path, databases, WEB_CONCURRENCY="2", REDIS_URL=redis_server
    ) as server:

        def started() -> int:
            return server.log.read_text().count('"event":"worker_started"')

        assert soon(lambda: started() == 1)  # a thread writes the log
        for pid in serving(server):
            os.kill(pid, signal.SIGKILL)
        assert soon(lambda: started() == 2)
        assert soon(lambda: answers(server))
        assert started() == 2


def test_told_to_stop_it_finishes_what_it_does_and_leaves_nothing(
    databases: Databases, redis_server: str, tmp_path: Path
) -> None:
    several = {"WEB_CONCURRENCY": "2", "REDIS_URL": redis_server, "TMPDIR": str(tmp_path)}
    with open_demo_server(tmp_path, databases, **several) as server:
        ada = server.new_client(credit="10.00")
        with watching(ada, CREDIT) as hear:
            assert hear()["balance"]["available"] == "10.00"
            before = serving(server)
            assert list(tmp_path.glob("account-credit-*"))
            assert server.stop() == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in before)
        assert list(tmp_path.glob("account-credit-*")) == []
        server.start()


def test_they_end_with_the_process_that_started_them(
    databases: Databases, redis_server: str, tmp_path: Path
) -> None:
    several = {"WEB_CONCURRENCY": "2", "REDIS_URL": redis_server}
    with open_demo_server(tmp_path, databases, **several) as server:
        before = serving(server)
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        assert soon(lambda: not any(Path(f"/proc/{pid}").exists() for pid in before))
        server.start()


@pytest.mark.parametrize(
    ("lacks", "sentence"),
    [
        ("DATABASE_URL", "More than one process needs PostgreSQL"),
        ("REDIS_URL", "More than one process needs Redis"),
    ],
)
def test_what_it_needs_is_said_before_it_begins(
    lacks: str, sentence: str, database_url: str, redis_server: str, tmp_path: Path
) -> None:
    server = DemoServer(tmp_path, database_url, {"REDIS_URL": redis_server})
    server.environment |= {"DATABASE_URL": f"sqlite://{tmp_path}/one.db"} if lacks[0] == "D" else {}
    server.environment |= {"REDIS_URL": ""} if lacks[0] == "R" else {}
    done = server.run("serve", "--demo", "--workers", "2")
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
