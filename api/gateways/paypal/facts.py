"""All events of a payment, put together from its order, refunds and disputes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from api.gateways.paypal.disputes import of_dispute, speaks_for
from api.gateways.paypal.events import capture_of, of_capture, of_refund, refund_id
from api.gateways.paypal.reading import Json, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from models.gateway import GatewayEvent


def facts(
    payment: str, captures: Sequence[Json], refunds: Sequence[Json], disputes: Sequence[Json]
) -> list[GatewayEvent]:
    """Captures, what went back, and disputes, each amount once. Raises BadAmount."""
    told = [
        *(of_capture(capture, payment) for capture in captures),
        *_refunds_and_disputes(payment, captures, refunds, disputes),
        *_disputed(payment, captures, disputes),
    ]
    return [event for event in told if event is not None]


def _refunds_and_disputes(
    payment: str, captures: Sequence[Json], refunds: Sequence[Json], disputes: Sequence[Json]
) -> Iterator[GatewayEvent | None]:
    only = text(captures[0], "id") if captures else ""
    for refund in refunds:
        if refund_id(refund) or not any(speaks_for(dispute, refund) for dispute in disputes):
            yield of_refund(refund, payment, capture_of(refund) or only)


def _disputed(
    payment: str, captures: Sequence[Json], disputes: Sequence[Json]
) -> Iterator[GatewayEvent]:
    ours = {text(capture, "id") for capture in captures}
    for dispute in disputes:
        for event in of_dispute(dispute):
            if event.capture in ours:
                yield replace(event, payment=payment)
