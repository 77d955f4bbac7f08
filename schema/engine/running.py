"""One execution of a plan: what it waits for, what has failed, and what it may still do.

Every value of an answer has a place. A value that is there is written at once, an awaited one when
it arrives, and the operation is done when nothing is awaited any more. There is no task for each
object: a future is awaited as it is, and a coroutine gets a task only if it isn't the only one.

The life of an awaited value:

    waiting ──the only one──► awaited in place ──────────┐
       │                                                 ├──► arrived: completed into its place
       └──several──► under way (a future, or a task) ────┤
                                                         └──► failed: the nearest place above
                                                              that may be null is null
    at any time: an error nulls a place above ──► lost: closed or canceled, unless it is shared
"""

from __future__ import annotations

from asyncio import Future, Task, ensure_future, gather, get_running_loop
from collections.abc import Awaitable, Callable
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeAlias

from graphql import ExecutionResult, GraphQLError, GraphQLResolveInfo, located_error
from graphql.pyutils import Path
from strawberry import Info

from schema.engine.bounds import Exhausted

if TYPE_CHECKING:
    from graphql import FieldNode
    from strawberry.types.field import StrawberryField

    from schema.engine.execution import Executor
    from schema.engine.plan import Plan, Shape, Step

#: What becomes of a value that was found for a place.
Complete: TypeAlias = Callable[["Running", Any, "Place"], Any]
_Awaited: TypeAlias = tuple[Complete, "Place"]


class Place:
    """Where in the answer a value goes: a field of an object, or an entry of a list."""

    __slots__ = ("above", "awaits", "holder", "is_null", "key", "nodes", "nullable", "typename")

    def __init__(  # noqa: PLR0917 - one for each resolver that is called
        self,
        above: Place | None,
        key: str | int,
        typename: str | None,
        nodes: list[FieldNode],
        nullable: bool,  # noqa: FBT001
        holder: Any,  # noqa: ANN401 - the dictionary or list that the value goes into
    ) -> None:
        self.above = above
        self.key = key
        self.typename = typename
        self.nodes = nodes
        self.nullable = nullable
        self.holder = holder
        #: An error has made it null: values below it are dropped.
        self.is_null = False
        #: Something below it is, or was, awaited.
        self.awaits = False

    def path(self) -> Path:
        """In graphql-core's form, for resolvers."""
        return Path(self.above.path() if self.above else None, self.key, self.typename)

    def keys(self) -> list[str | int]:
        """The path of errors."""
        return [place.key for place in self._upwards()][::-1]

    def is_lost(self) -> bool:
        """Whether it, or what it is in, is null by an error."""
        place: Place | None = self
        while place is not None and not place.is_null:
            place = place.above
        return place is not None

    def wait(self) -> None:
        """Its value is awaited."""
        above = self.above
        while above is not None and not above.awaits:
            above.awaits = True
            above = above.above

    def _upwards(self) -> list[Place]:
        found = [self]
        while (above := found[-1].above) is not None:
            found.append(above)
        return found


class Running:
    """One execution; see the module."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.bounds = executor.bounds
        self.count = executor.bounds.count
        self.variables = executor.variable_values.coerced
        self.data: dict[str, Any] | None = {}
        self.errors: list[GraphQLError] = []
        self._waiting: list[tuple[Awaitable[Any], Complete, Place]] = []
        self._under_way: dict[Future[Any], list[_Awaited]] = {}
        self._all_in: Future[None] | None = None
        #: Whether awaited values of nulled places are still to be looked for.
        self._has_lost = False

    async def answer(self, plan: Plan) -> ExecutionResult:
        """Execute it. What fails is in the result."""
        assert self.data is not None
        source, data = self.executor.root_value, self.data
        try:
            if plan.is_serial:
                await self._one_after_the_other(plan.root, source, data)
            else:
                self.data = plan.root.value(self, source, None)
                await self._all_settled()
        except GraphQLError as error:
            self._end(error)
        return ExecutionResult(self.data, self.errors or None)

    async def _one_after_the_other(self, root: Shape, source: object, data: dict[str, Any]) -> None:
        self.count(1)
        for step in root.steps:
            step.run(self, source, data, None)
            await self._all_settled()
            if self.data is None:
                return

    # -- values

    def value(self, found: Any, complete: Complete, place: Place) -> Any:  # noqa: ANN401 - as found
        """What was found, completed; where it is awaited, null until it has come."""
        if type(found) is CoroutineType or hasattr(found, "__await__"):
            if isinstance(found, Future) and found.done() and not found.cancelled():
                return complete(self, found.result(), place)
            self._waiting.append((found, complete, place))
            place.wait()
            return None
        return complete(self, found, place)

    def info(self, step: Step, field: StrawberryField, place: Place) -> Info[Any, Any]:
        """The `info` of a resolver's call."""
        return Info(_raw_info=self.raw_info(step, place), _field=field)

    def raw_info(self, step: Step, place: Place) -> GraphQLResolveInfo[Any]:
        """The same in graphql-core's own form."""
        return self.executor.build_resolve_info(
            step.definition, step.nodes, step.parent, place.path()
        )

    # -- errors

    def failed(self, error: Exception, place: Place) -> None:
        """Null a place whose value could not be had. Raises, for what it is in, where it must not
        be null.
        """
        if isinstance(error, Exhausted):
            raise error
        located = located_error(error, place.nodes, place.keys())
        if not place.nullable:
            raise located
        self._null(place, located)

    def _failed_late(self, error: Exception, place: Place) -> None:
        """Null a place, or the nearest that it is in, after its surroundings have been written."""
        located = located_error(error, place.nodes, place.keys())
        nearest: Place | None = place
        while nearest is not None and not nearest.nullable:
            nearest = nearest.above
        if nearest is None or isinstance(error, Exhausted):
            self._end(error if isinstance(error, Exhausted) else located)
        else:
            nearest.holder[nearest.key] = None
            self._null(nearest, located)

    def _null(self, place: Place, error: GraphQLError) -> None:
        if not place.is_lost():
            self.errors.append(error)
        place.is_null = True
        if place.awaits and not self._has_lost:
            # Once for all that fails in this turn of the loop: each look goes through all there is.
            self._has_lost = True
            get_running_loop().call_soon(self._forget_lost)

    def _end(self, error: GraphQLError) -> None:
        """The whole answer is null."""
        if self.data is not None:
            self.data = None
            self.errors.append(error)
        self._has_lost = True
        self._forget_lost()

    def _forget_lost(self) -> None:
        """Stop awaiting values whose place is null."""
        if not self._has_lost:
            return
        self._has_lost = False
        kept = []
        for waiting in self._waiting:
            if self._is_lost(waiting[2]):
                _close(waiting[0])
            else:
                kept.append(waiting)
        self._waiting = kept
        for future, awaited in list(self._under_way.items()):
            awaited[:] = [one for one in awaited if not self._is_lost(one[1])]
            if not awaited:
                del self._under_way[future]
                _stop(future)
        self._tell_when_all_in()

    def _is_lost(self, place: Place) -> bool:
        return self.data is None or place.is_lost()

    # -- what is awaited

    async def _all_settled(self) -> None:
        """Return when nothing is awaited any more."""
        try:
            while self._waiting or self._under_way:
                self._forget_lost()
                if len(self._waiting) == 1 and not self._under_way:
                    await self._only_one(*self._waiting.pop())
                    continue
                self._start()
                self._all_in = get_running_loop().create_future()
                self._tell_when_all_in()
                await self._all_in
        finally:
            await self._stopped()

    async def _only_one(self, awaitable: Awaitable[Any], complete: Complete, place: Place) -> None:
        try:
            found = await awaitable
        except Exception as error:  # noqa: BLE001 - it is the answer's
            self._failed_late(error, place)
        else:
            self._arrived(lambda: found, complete, place)

    def _start(self) -> None:
        for awaitable, complete, place in self._waiting:
            future = ensure_future(awaitable)
            if future in self._under_way:
                self._under_way[future].append((complete, place))
            else:
                self._under_way[future] = [(complete, place)]
                future.add_done_callback(self._came)
        self._waiting = []

    def _came(self, future: Future[Any]) -> None:
        if future.cancelled() and future in self._under_way:
            assert self._all_in is not None
            self._all_in.cancel()
            return
        if not future.cancelled():
            future.exception()  # else asyncio warns of one that is no longer awaited
        for complete, place in self._under_way.pop(future, ()):
            self._arrived(future.result, complete, place)
        self._start()
        self._tell_when_all_in()

    def _arrived(self, found: Callable[[], Any], complete: Complete, place: Place) -> None:
        if self._is_lost(place):
            return
        try:
            place.holder[place.key] = complete(self, found(), place)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed_late(error, place)

    def _tell_when_all_in(self) -> None:
        if self._all_in is not None and not self._under_way and not self._all_in.done():
            self._all_in.set_result(None)

    async def _stopped(self) -> None:
        """Stop what is still under way, when the whole operation is stopped, and see it end."""
        for awaitable, _, _ in self._waiting:
            _close(awaitable)
        tasks = [future for future in self._under_way if isinstance(future, Task)]
        self._under_way.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await gather(*tasks, return_exceptions=True)


def _close(awaitable: Awaitable[Any]) -> None:
    """One that has not been started never will be."""
    if isinstance(awaitable, CoroutineType):
        awaitable.close()


def _stop(future: Future[Any]) -> None:
    """A future that is not ours (a loader's) is left alone."""
    if isinstance(future, Task):
        future.cancel()
