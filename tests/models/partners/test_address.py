"""Which URLs may be called, and where their names may lead (recipes: hostile 26)."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from models.errors import Invalid
from models.partners.address import is_public, target_of
from tests.support.providers import wire_provider

LONG = "a" * 64

NOT_A_URL = [
    "",
    "hooks.example.com",
    "//hooks.example.com/",
    "file:///etc/passwd",
    "gopher://hooks.example.com/",
    "ftp://hooks.example.com/",
    "https:/hooks.example.com/",
    "https://",
    "https:///in",
    "https://user:pass@hooks.example.com/",
    "https://user@hooks.example.com/",
    "https://hooks.example.com@127.0.0.1/",
    "https://127.0.0.1#@hooks.example.com/",
    "https://hooks.example.com/#part",
    "https://hooks.example.com\\@127.0.0.1/",
    "https://hooks.example.com/a b",
    "https://hooks.example.com/\r\nHost: internal",
    "https://hooks.example.com/\n",
    " https://hooks.example.com/",
    "https://hooks.example.com/\0",
    "https://hooks.example.com/\u00e9",
    "https://h\u00f6oks.example.com/",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://127\u30020\u30020\u30021/",
    "https://hooks.example.com:/in",
    "https://hooks.example.com:abc/",
    "https://hooks.example.com:123456/",
    "https://[::1/",
    "https://[fe80::1%25eth0]/",
    "https://[v1.a]/",
    "https://127.0.0.1:80:80/",
    "https://%31%32%37.0.0.1/",
]
NOT_PUBLIC = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.0.1./",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.0.0.01/",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://100.100.100.200/",
    "https://169.254.169.254/latest/meta-data/",
    "https://168.63.129.16/",
    "https://192.0.0.192/",
    "https://192.88.99.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://1.2.3/",
    "https://1.2.3.4.5/",
    "https://1.2.3.256/",
    "https://[::]/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[2001:db8::1]/",
    "https://[fe80::1]/",
    "https://[fec0::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://a.localhost/",
    "https://localhost.localdomain/",
    "https://printer.local/",
    "https://metadata.google.internal/",
    "https://router.lan/",
    "https://a.home.arpa/",
    "https://intranet/",
    "https://hooks..example.com/",
    "https://.example.com/",
    "https://-a.example.com/",
    "https://hooks.example.123/",
    "https://hooks.example.0x7f/",
    f"https://{LONG}.example.com/",
    f"https://{'a.' * 126}example.com/",
]
NO_TLS = [
    "http://hooks.example.com/",
    "http://127.0.0.1/",
    "http://localhost:8080/",
    "http://[::1]/",
    "HTTP://hooks.example.com/",
]
NO_WEB_PORT = [f"https://hooks.example.com:{port}/" for port in (0, 22, 25, 80, 444, 1023, 65536)]


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> None:
    wire_provider(monkeypatch)


def refused(url: str) -> str:
    with pytest.raises(Invalid) as refusal:
        target_of(url)
    assert refusal.value.field == ("url",)
    return refusal.value.problem


@pytest.mark.parametrize("url", NOT_A_URL)
def test_what_parsers_read_differently_is_no_url(url: str) -> None:
    assert refused(url) == "webhook_url"


@pytest.mark.parametrize("url", NOT_PUBLIC)
def test_no_host_of_our_own_network_is_called(url: str) -> None:
    assert refused(url) == "webhook_not_public"


@pytest.mark.parametrize("url", NO_TLS)
def test_nothing_is_sent_unencrypted(url: str) -> None:
    assert refused(url) == "webhook_https"


@pytest.mark.parametrize("url", NO_WEB_PORT)
def test_no_other_service_is_called(url: str) -> None:
    assert refused(url) == "webhook_port"


def test_a_url_of_any_length_is_not_kept() -> None:
    assert refused("https://hooks.example.com/" + "a" * 2000) == "too_long"


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://hooks.example.com", "hooks.example.com", "/"),
        ("https://Hooks.Example.com/In?a=b%20c&d=/?", "hooks.example.com", "/In?a=b%20c&d=/?"),
        ("https://hooks.example.com:443/", "hooks.example.com", "/"),
        ("https://hooks.example.com:8443?a", "hooks.example.com:8443", "/?a"),
        ("https://xn--hks-xqa.example/~a/(b)", "xn--hks-xqa.example", "/~a/(b)"),
        ("https://8.8.8.8/in", "8.8.8.8", "/in"),
        ("https://[2606:4700:4700::1111]/", "[2606:4700:4700::1111]", "/"),
    ],
)
def test_a_public_host_is_called_by_its_name(url: str, authority: str, path: str) -> None:
    target = target_of(url)
    assert (target.authority, target.path, target.loopback) == (authority, path, False)
    assert target.scheme == "https"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "::1",
        "::ffff:8.8.8.8",
        "fe80::1%eth0",
        "2606:4700::1%1",
        "nonsense",
    ],
)
def test_a_name_that_leads_inside_is_not_connected_to(address: str) -> None:
    assert not target_of("https://hooks.example.com/").admits(address)


def test_an_address_that_a_network_translates_is_what_it_stands_for() -> None:
    assert is_public(ip_address("64:ff9b::8.8.8.8"))
    assert not is_public(ip_address("64:ff9b::10.0.0.1"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_in_demo_mode_this_machine_may_be_called_and_nothing_else_without_tls(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire_provider(monkeypatch, webhooks_to_loopback=True)
    target = target_of(f"http://{host}:8080/in")
    assert target.admits("127.0.0.1")
    assert target.admits("::1")
    assert not target.admits("10.0.0.1")
    assert not target.admits("8.8.8.8")
    assert refused("http://hooks.example.com/") == "webhook_https"
    assert refused("https://10.0.0.1/") == "webhook_not_public"
    assert refused("https://127.0.0.2/") == "webhook_not_public"
    assert not target_of("https://hooks.example.com/").admits("127.0.0.1")
