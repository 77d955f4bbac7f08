"""Addresses of endpoints: which URLs may be called, and which hosts they may lead to.

Whoever chooses a URL that we call must not reach what only we can reach: this machine, its network,
the cloud's metadata. A URL is therefore read by one strict form, and nothing else that a parser may
make of it; and each address that its name resolves to is looked at (models.partners.host).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

from models.errors import Invalid
from models.provider.provider import provider

URL_CHARS_MAX: Final = 2000
#: Of our own machine, where that may be called (`Provider.webhooks_to_loopback`).
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
#: Below these are services that are no web servers.
_PORT_MIN: Final = 1024
_PORT_MAX: Final = 65535
_PORTS: Final = {"http": 80, "https": 443}
_HOST_CHARS_MAX: Final = 253

# No user, no fragment, no backslash, no space, nothing that is not ASCII (RFC 3986, appendix A).
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<host>[a-z0-9.-]+))(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)",
    re.ASCII | re.IGNORECASE,
)
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
# What ends in a number is an address in some notation to somebody (WHATWG URL, 5.3): 0x7f.1.
_LAST_LABEL: Final = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
#: Names that resolve to something only inside a machine or network (RFC 6761, 6762, 8375).
_INSIDE: Final = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home.arpa")

IPAddress: TypeAlias = IPv4Address | IPv6Address

#: A cloud's own services, at an address that is otherwise public (Azure's wire server).
_PLATFORM: Final = frozenset({IPv4Address("168.63.129.16")})
#: 6to4 relays (RFC 7526), and what IETF protocols have (RFC 6890): Python's word on these varies.
_SPECIAL: Final = (IPv4Network("192.88.99.0/24"), IPv4Network("192.0.0.0/24"))
#: All that is given out of IPv6; less what carries an IPv4 address that we would not see.
_GLOBAL_SIX: Final = IPv6Network("2000::/3")
_CARRIERS: Final = (IPv6Network("2001::/23"), IPv6Network("2002::/16"))
#: Where a network translates IPv6 to IPv4 (RFC 6052).
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads: `path` is what is asked for there, with its query. What is `loopback`
    leads to this machine and nowhere else; all else to public addresses alone.
    """

    scheme: str
    host: str
    port: int
    path: str
    loopback: bool

    @property
    def authority(self) -> str:
        """For the Host header: the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def admits(self, address: str) -> bool:
        """Whether an address that its name resolves to may be connected to."""
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return ip.is_loopback if self.loopback else is_public(ip)


def target_of(url: str, *field: str) -> Target:
    """Where that URL leads. Raises Invalid at `field` (`url`) where it may not be called."""
    field = field or ("url",)
    if len(url) > URL_CHARS_MAX:
        raise Invalid(*field, problem="too_long")
    found = _URL.fullmatch(url)
    if found is None:
        raise Invalid(*field, problem="webhook_url")
    scheme = found["scheme"].lower()
    host = (found["six"] or found["host"]).lower()
    port = int(found["port"]) if found["port"] else _PORTS[scheme]
    target = found["target"]
    path = target if target.startswith("/") else f"/{target}"
    if provider().webhooks_to_loopback and host in _LOOPBACK and 1 <= port <= _PORT_MAX:
        return Target(scheme, host, port, path, loopback=True)
    if scheme != "https":
        raise Invalid(*field, problem="webhook_https")
    if port != _PORTS[scheme] and not _PORT_MIN <= port <= _PORT_MAX:
        raise Invalid(*field, problem="webhook_port")
    if not _is_public_host(host, six=found["six"] is not None):
        raise Invalid(*field, problem="webhook_not_public")
    return Target(scheme, host, port, path, loopback=False)


def _is_public_host(host: str, *, six: bool) -> bool:
    try:
        return is_public(ip_address(host))
    except ValueError:
        pass
    labels = host.split(".")
    return (
        not six
        and len(host) <= _HOST_CHARS_MAX
        and len(labels) > 1
        and all(map(_LABEL.fullmatch, labels))
        and _LAST_LABEL.fullmatch(labels[-1]) is not None
        and not any(f".{host}".endswith(f".{inside}") for inside in _INSIDE)
    )


def is_public(ip: IPAddress) -> bool:
    """Whether anybody's packets reach that address: it is nobody's own network, and no cloud's."""
    if isinstance(ip, IPv4Address):
        is_special = ip.is_multicast or ip in _PLATFORM or any(ip in one for one in _SPECIAL)
        return ip.is_global and not is_special
    if ip.scope_id is not None:
        return False
    if ip in _TRANSLATED:
        return is_public(IPv4Address(int(ip) & 0xFFFFFFFF))
    if ip not in _GLOBAL_SIX or any(ip in carrier for carrier in _CARRIERS):
        return False
    return ip.is_global
