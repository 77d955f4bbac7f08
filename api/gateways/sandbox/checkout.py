"""The pages under `/sandbox/`: a payer's choices, and a provider's.

The same addresses answer JSON to those who ask for it, so that a program can do all that a browser
can. Who knows a charge's unguessable address may act on it; a browser must come from this page.
"""

from __future__ import annotations

import re
from decimal import Decimal
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from api.gateways.sandbox import charges
from api.gateways.sandbox.actions import ACTIONS, CODE, Action, Asked, perform
from api.gateways.sandbox.browser import back, from_here, html_headers
from api.gateways.sandbox.charge import NotPossible
from models.errors import Refusal
from models.money import Money

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.datastructures import FormData
    from starlette.requests import Request

    from api.gateways.sandbox.charge import Charge
    from api.gateways.sandbox.delivery import Delivery
    from api.gateways.sandbox.gateway import SandboxGateway

BODY_BYTES_MAX: Final = 16 * 1024

_CHALLENGE: Final = "3-d-secure"
_AMOUNT: Final = re.compile(r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?")
_STYLE: Final = files("api.gateways.sandbox").joinpath("templates/style.css").read_bytes()

_templates = Environment(
    loader=PackageLoader("api.gateways.sandbox"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


class Checkout:
    """The sandbox's pages; `delivery` carries what they make it say."""

    def __init__(
        self, gateway: SandboxGateway, delivery: Delivery, shops: Iterable[str] = ()
    ) -> None:
        """`shops` are the origins that browsers may be sent on to."""
        self._origin = gateway.public_url
        self._delivery = delivery
        self._headers = html_headers(shops)

    def routes(self) -> list[Route]:
        """All of them, for the application."""
        pay = "/sandbox/pay/{token}"
        return [
            Route("/sandbox/", self.show_index),
            Route("/sandbox/style.css", self.show_style),
            Route(pay, self.show_charge),
            Route(f"{pay}/{_CHALLENGE}", self.show_challenge),
            Route(f"{pay}/{{action}}", self.act, methods=["POST"], max_body_size=BODY_BYTES_MAX),
        ]

    async def show_index(self, _request: Request) -> Response:
        """What the sandbox does, for integrators."""
        return self._html("index.html", actions=ACTIONS.values(), origin=self._origin)

    async def show_style(self, _request: Request) -> Response:
        """The pages' style sheet."""
        return Response(_STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})

    async def show_charge(self, request: Request) -> Response:
        """How a payment stands, and what can be done with it."""
        charge = await _charge(request)
        return JSONResponse(_summary(charge)) if _wants_json(request) else self._charge_form(charge)

    async def show_challenge(self, request: Request) -> Response:
        """The bank's 3-D Secure page."""
        return self._challenge_form(await _charge(request))

    async def act(self, request: Request) -> Response:
        """Do what the button says, deliver what there is to say, and send the browser on."""
        if not from_here(request, self._origin):
            raise HTTPException(403, "This form was sent from another site.")
        charge, action = await _charge(request), _action(request)
        try:
            async with request.form(max_files=0, max_fields=8) as form:
                asked = _asked(form, charge)
            charge = await charges.change(charge, lambda current: perform(action, current, asked))
        except NotPossible as reason:
            return self._not_possible(request, charge, action, str(reason))
        await self._delivery.deliver(charge)
        if _wants_json(request):
            return JSONResponse(_summary(charge))
        url = back(charge) if action.payers else None
        return RedirectResponse(url or f"/sandbox/pay/{charge.url_key}", 303, self._headers)

    # --------------------------------------------------------------------------- what is answered

    def _not_possible(self, request: Request, charge: Charge, action: Action, why: str) -> Response:
        if _wants_json(request):
            return JSONResponse({"error": why, **_summary(charge)}, 409)
        if action.name == _CHALLENGE and action.when(charge):
            return self._challenge_form(charge, why)
        return self._charge_form(charge, why)

    def _charge_form(self, charge: Charge, problem: str = "") -> Response:
        possible = [action for action in ACTIONS.values() if action.when(charge)]
        return self._html("charge.html", charge, problem, actions=possible, back=back(charge))

    def _challenge_form(self, charge: Charge, problem: str = "") -> Response:
        if not ACTIONS[_CHALLENGE].when(charge):
            return self._charge_form(charge, problem)
        return self._html("challenge.html", charge, problem, code=CODE)

    def _html(
        self, name: str, charge: Charge | None = None, problem: str = "", **values: object
    ) -> Response:
        page = _templates.get_template(name).render(charge=charge, problem=problem, **values)
        return HTMLResponse(page, 409 if problem else 200, self._headers)


# ------------------------------------------------------------------------------- what was asked


async def _charge(request: Request) -> Charge:
    charge = await charges.by_url_key(request.path_params["token"])
    if charge is None:
        raise HTTPException(404, "This payment doesn't exist.")
    return charge


def _action(request: Request) -> Action:
    action = ACTIONS.get(request.path_params["action"])
    if action is None:
        raise HTTPException(404, "This action doesn't exist.")
    return action


def _asked(form: FormData, charge: Charge) -> Asked:
    """Raises NotPossible."""
    amount, code = form.get("amount"), form.get("code")
    return Asked(
        amount=_amount(amount.strip(), charge.currency) if isinstance(amount, str) else None,
        code=code if isinstance(code, str) else None,
    )


def _amount(text: str, currency: str) -> Money | None:
    if not text:
        return None
    try:
        amount = Money.parse(Decimal(text), currency) if _AMOUNT.fullmatch(text) else None
    except Refusal:
        amount = None
    if not amount:
        raise NotPossible(f"This isn't a valid amount in {currency}.")
    return amount


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


# ------------------------------------------------------------------------------- what is answered


def _summary(charge: Charge) -> dict[str, object]:
    """A charge for programs. `actions` are possible now; each is a path to POST to."""
    return {
        "status": charge.status,
        "payment": charge.payment,
        "amount": f"{charge.money.amount:f}",
        "currency": charge.currency,
        "returnUrl": back(charge),
        "actions": [action.name for action in ACTIONS.values() if action.when(charge)],
    }
