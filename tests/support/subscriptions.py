"""Subscriptions without an endpoint: opened as it opens them, and read one response at a time."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from graphql import ExecutionResult, GraphQLError

from schema.core.watch import Source
from schema.engine.guard import OperationRefused, OperationRequest
from schema.engine.subscription import PreparedSubscription

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from schema.engine.guard import Schema


async def responses(
    schema: Schema, document: str, context: object, **variables: Any
) -> AsyncGenerator[ExecutionResult, None]:
    """What a subscription is answered, until it ends; why it is refused or ends is in the last."""
    try:
        subscription = PreparedSubscription(
            schema, OperationRequest(document, variables, context, None)
        )
    except OperationRefused as refused:
        yield ExecutionResult(None, refused.errors)
        return
    try:
        source = await subscription.source(context)
        assert isinstance(source, Source)
        opened: Any = aiter(source)
        async with aclosing(opened) as events:
            async for event in events:
                yield await subscription.execute(event, context)
    except OperationRefused as refused:
        yield ExecutionResult(None, refused.errors)
    except GraphQLError as error:
        yield ExecutionResult(None, [error])
    finally:
        subscription.close()
