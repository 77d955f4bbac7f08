"""The add-on for WHMCS: PHP takes it, and it offers what the elements ask."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "php"
ADD_ON = (FOLDER / "account_credit.php").read_text(encoding="utf-8")


def test_php_takes_it() -> None:
    php = shutil.which("php")
    if php is None:
        pytest.skip("NOT TESTED with PHP: there is no php on PATH")
    for file in FOLDER.glob("*.php"):
        done = subprocess.run([php, "-l", file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_key_stays_on_the_server() -> None:
    for file in [*FOLDER.glob("*.js"), *FOLDER.rglob("*.tpl")]:
        assert "ApiKey" not in file.read_text(encoding="utf-8")
    [shown] = re.findall(r"'vars' => \[(.*?)\]", ADD_ON, re.DOTALL)
    assert "ApiKey" not in shown


def test_the_page_asks_where_the_add_on_answers() -> None:
    page = (FOLDER / "account_credit.js").read_text(encoding="utf-8")
    [action] = re.findall(r"action=(\w+)", page)
    assert f"($_GET['action'] ?? '') === '{action}'" in ADD_ON
    assert 'method: "POST"' in page
