"""The gateways of this installation, found by entry point.

An entry point of the group names a class with `from_settings(settings)`, or a function that takes
the settings; either answers a Gateway, or None where it is not configured. So a provider adds one
without touching this project.
"""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final, cast

from models.provider.offer import GATEWAYS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from api.settings.settings import Settings
    from models.gateway import Gateway

GROUP: Final = "account_credit.gateways"

_CODE: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
_PORT: Final = (
    "kind",
    "currencies",
    "refunds",
    "name",
    "minimum",
    "maximum",
    "fee",
    "start",
    "parse_message",
    "fetch",
    "cancel",
    "refund",
)


class GatewayNotLoaded(Exception):
    """A plug-in is broken; the program must not start without what it is to offer."""


def load_gateways(
    settings: Settings, found: Iterable[EntryPoint] | None = None
) -> dict[str, Gateway]:
    """Every configured gateway by its code. `found` are entry points; by default those installed.

    Raises GatewayNotLoaded, a sentence that names the plug-in.
    """
    gateways: dict[str, Gateway] = {}
    plugins = entry_points(group=GROUP) if found is None else found
    for plugin in sorted(plugins, key=lambda plugin: (plugin.name, plugin.value)):
        gateway = _loaded(plugin, settings)
        if gateway is None:
            continue
        if gateway.code in gateways:
            raise _broken(plugin, f"another one has the code {gateway.code!r} already")
        if len(gateways) >= GATEWAYS_MAX:
            raise _broken(plugin, f"there are {GATEWAYS_MAX} others already")
        gateways[gateway.code] = gateway
    return gateways


def _loaded(plugin: EntryPoint, settings: Settings) -> Gateway | None:
    try:
        target: Any = plugin.load()
        factory: Callable[[Settings], Any] = getattr(target, "from_settings", target)
        gateway = factory(settings)
    except Exception as error:
        # What settings lack is a ValueError with a sentence; anything else is the plug-in's fault.
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise _broken(plugin, f"{kind}{error}") from error
    return None if gateway is None else _checked(plugin, gateway)


def _checked(plugin: EntryPoint, gateway: object) -> Gateway:
    code = getattr(gateway, "code", None)
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise _broken(plugin, "its code is not a short name such as 'bank-transfer'")
    missing = [name for name in _PORT if not hasattr(gateway, name)]
    if missing:
        raise _broken(plugin, f"it has no {', '.join(missing)}")
    return cast("Gateway", gateway)


def _broken(plugin: EntryPoint, problem: str) -> GatewayNotLoaded:
    return GatewayNotLoaded(f"The gateway {plugin.name} ({plugin.value}) can't be used: {problem}.")
