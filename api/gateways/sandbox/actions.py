"""What can be done with a sandbox payment: one action a button, and a path to POST to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from api.gateways.sandbox.charge import Charge, ChargeStatus, NotPossible
from api.gateways.sandbox.messages import Say
from models.money import Money

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SETTLE_SECONDS: Final = 15
CODE: Final = "123456"


@dataclass(frozen=True, slots=True)
class Asked:
    """What came with the button: an amount, the 3-D Secure code."""

    amount: Money | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One button; `name` is the last part of its path.

    The payer's own actions send the browser back to the shop.
    """

    name: str
    label: str
    help: str
    when: Callable[[Charge], bool]
    play: Callable[[Charge, Asked], object]
    group: str
    payers: bool = True
    takes_amount: bool = False


def perform(action: Action, charge: Charge, asked: Asked) -> None:
    """Do it. Raises NotPossible."""
    if not action.when(charge):
        raise NotPossible(f"{action.label} isn't possible: the payment is {charge.status.lower()}.")
    action.play(charge, asked)


# ------------------------------------------------------------------------------- when


def _is(*statuses: ChargeStatus) -> Callable[[Charge], bool]:
    return lambda charge: charge.status in statuses


_open = _is(ChargeStatus.OPEN)
_processing = _is(ChargeStatus.PROCESSING)
_over = _is(ChargeStatus.FAILED, ChargeStatus.EXPIRED, ChargeStatus.CANCELED)


def _disputed(charge: Charge) -> bool:
    return charge.open_dispute() is not None


def _has_money(charge: Charge) -> bool:
    return not _disputed(charge) and any(left > 0 for left in charge.captures().values())


# ------------------------------------------------------------------------------- what


def _authenticate(charge: Charge, asked: Asked) -> None:
    if asked.code is not None and asked.code.strip() != CODE:
        raise NotPossible(f"That isn't the code. In the sandbox it is always {CODE}.")
    charge.capture()


def _settle_later(charge: Charge, asked: Asked) -> None:
    charge.processing()
    charge.capture(asked.amount, after_seconds=SETTLE_SECONDS)


def _capture_less(charge: Charge, asked: Asked) -> None:
    charge.capture(asked.amount or Money(max(charge.money.minor // 2, 1), charge.currency))


def _capture_more(charge: Charge, asked: Asked) -> None:
    charge.capture(
        asked.amount or Money(charge.money.minor + charge.money.minor // 2 + 1, charge.currency)
    )


def _capture_twice(charge: Charge, asked: Asked) -> None:
    charge.capture(asked.amount)
    charge.capture(asked.amount)


def _duplicate(charge: Charge, asked: Asked) -> None:
    message = charge.capture(asked.amount)
    charge.repeat(message)
    charge.say_again(message)


def _out_of_order(charge: Charge, asked: Asked) -> None:
    charge.capture(asked.amount)
    charge.processing()
    charge.say(Say.FAILED, failure="card_declined")


_ALL: Final = (
    Action(
        "approve",
        "Pay now",
        "Approved at once; the webhook arrives before you are back.",
        _open,
        lambda charge, asked: charge.capture(asked.amount),
        "pay",
    ),
    Action(
        "3-d-secure",
        "Pay with 3-D Secure",
        f"The bank verifies your identity first. The code is {CODE}.",
        _open,
        _authenticate,
        "challenge",
    ),
    Action(
        "fail-authentication",
        "Fail authentication",
        "The 3-D Secure challenge is not passed: payment.failed, authentication_failed.",
        _open,
        lambda charge, _: charge.fail("authentication_failed"),
        "challenge",
    ),
    Action(
        "decline",
        "Decline",
        "payment.failed, card_declined.",
        _open,
        lambda charge, _: charge.fail("card_declined"),
        "refuse",
    ),
    Action(
        "abandon",
        "Leave without paying",
        "Back to the shop without any webhook; you can come back and pay.",
        _open,
        lambda _charge, _asked: None,
        "refuse",
    ),
    Action(
        "expire",
        "Let it expire",
        "payment.expired.",
        _open,
        lambda charge, _: charge.expire(),
        "refuse",
    ),
    Action(
        "settle-later",
        "Settle later",
        f"payment.processing now, payment.captured after {SETTLE_SECONDS} seconds, or as soon as "
        "the payment is checked again.",
        _open,
        _settle_later,
        "odd",
    ),
    Action(
        "capture-less",
        "Capture less",
        "Half of the amount, or the amount you enter.",
        _open,
        _capture_less,
        "odd",
        takes_amount=True,
    ),
    Action(
        "capture-more",
        "Capture more",
        "One and a half times the amount, or the amount you enter.",
        _open,
        _capture_more,
        "odd",
        takes_amount=True,
    ),
    Action(
        "duplicate",
        "Duplicate message",
        "One capture, sent three times: twice with one webhook-id, once with another.",
        _open,
        _duplicate,
        "odd",
    ),
    Action(
        "out-of-order",
        "Out of order",
        "One capture: payment.captured, then payment.processing, then payment.failed.",
        _open,
        _out_of_order,
        "odd",
    ),
    Action(
        "capture-twice",
        "Capture twice",
        "Two captures of the full amount, each with its own ID.",
        _open,
        _capture_twice,
        "odd",
    ),
    Action(
        "lost",
        "Lose the message",
        "Captured, but no webhook is sent: only rechecking the payment finds it.",
        _open,
        lambda charge, asked: charge.capture(asked.amount, lost=True),
        "odd",
    ),
    Action(
        "settle-now",
        "Settle now",
        "Sends the outstanding webhooks now.",
        _processing,
        lambda charge, _: charge.bring_forward(),
        "pay",
    ),
    Action(
        "deny",
        "Deny it after all",
        "payment.failed, payment_denied, after payment.processing.",
        _processing,
        lambda charge, _: charge.fail("payment_denied"),
        "refuse",
    ),
    Action(
        "capture-late",
        "Capture after all",
        "Money that arrives although the payment failed, expired or was canceled.",
        _over,
        lambda charge, asked: charge.capture(asked.amount),
        "odd",
    ),
    Action(
        "refund",
        "Refund",
        "Refunds what is left of the latest capture, or the amount you enter.",
        _has_money,
        lambda charge, asked: charge.refund(asked.amount),
        "after",
        payers=False,
        takes_amount=True,
    ),
    Action(
        "dispute",
        "Dispute",
        "The cardholder's bank takes back what is left of the latest capture.",
        _has_money,
        lambda charge, _: charge.dispute(),
        "after",
        payers=False,
    ),
    Action(
        "win-dispute",
        "Win the dispute",
        "The bank returns the money to the shop.",
        _disputed,
        lambda charge, _: charge.close_dispute(Say.DISPUTE_WON),
        "after",
        payers=False,
    ),
    Action(
        "lose-dispute",
        "Lose the dispute",
        "The bank keeps the money.",
        _disputed,
        lambda charge, _: charge.close_dispute(Say.DISPUTE_LOST),
        "after",
        payers=False,
    ),
)

ACTIONS: Final[Mapping[str, Action]] = {action.name: action for action in _ALL}
