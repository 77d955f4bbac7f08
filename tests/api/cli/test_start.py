"""A server that starts imports what its first requests need, and the rest when it is needed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.support import servers
from tests.support.command_line import SECRET

pytestmark = pytest.mark.sqlite_only

ROOT: Final = Path(__file__).parents[3]
#: Each takes tens of milliseconds, or megabytes.
HEAVY: Final = {
    "api.bank_files": "statement files are read by a command",
    "api.demo": "only with --demo",
    "api.gateways.paypal.gateway": "only where PayPal is configured",
    "api.gateways.sandbox.gateway": "only where the sandbox is on",
    "api.pdf.documents": "when a document is asked for",
    "asyncpg": "only on PostgreSQL",
    "babel.messages": "when a sentence is said",
    "cryptography": "signatures of gateways",
    "httpx": "what gateways are asked with",
    "jinja2": "pages and documents",
    "lxml": "statement files",
    "obstore": "only with an S3 bucket",
    "redis": "only with REDIS_URL",
    "rich.console": "tracebacks in colours, which no log has",
    "segno": "QR codes of bank transfers",
    "stamina": "when a gateway is asked",
    "stripe": "only where Stripe is configured",
    "tortoise.migrations": "only to migrate",
    "weasyprint": "in processes of its own",
}


def test_a_server_answers_without_what_few_requests_need(database_url: str, tmp_path: Path) -> None:
    port = servers.free_port()
    environment = {"DATABASE_URL": database_url, "PORT": str(port), "SECRET_KEY": SECRET}
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "api", "serve"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr is not None
        told = []
        for line in server.stderr:
            told.append(line)
            if line.startswith("Serving on "):
                break
        query = {"query": "{ __typename }"}
        answer = httpx.post(f"http://127.0.0.1:{port}/graphql", json=query, timeout=60)
        server.send_signal(signal.SIGTERM)
        told += server.stderr
    assert (answer.status_code, server.returncode) == (200, 0), "".join(told)[-2000:]
    imported = {line.rpartition("|")[2].strip() for line in told if line.startswith("import time:")}
    assert {"api.app", "schema", "models"} <= imported
    assert {name: why for name, why in HEAVY.items() if name in imported} == {}
