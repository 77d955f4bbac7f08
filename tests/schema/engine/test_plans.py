"""Plans answer to the letter what graphql-core does, whatever resolvers find."""

from __future__ import annotations

import ast
import asyncio
import gc
import os
import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from inspect import isfunction
from itertools import product
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLInputType,
    OperationDefinitionNode,
    OperationType,
    Visitor,
    execute,
    get_nullable_type,
    get_operation_ast,
    is_enum_type,
    is_input_object_type,
    is_input_type,
    is_list_type,
    is_non_null_type,
    parse,
    print_ast,
    type_from_ast,
    validate,
    visit,
)
from graphql.execution.collect_fields import collect_subfields
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import from_schema
from hypothesis_graphql import nodes as literal
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as GraphQLCore

from schema import make_schema
from schema.engine.execution import Executor
from schema.engine.guard import Guard, Schema, operation_kind
from schema.engine.limits import Limits
from schema.engine.plan import PLANS_MAX, Plans
from schema.engine.running import Place
from tests.support.fake_values import SENT, Failed, FakeValues, resolved_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

pytestmark = [
    pytest.mark.once,
    # graphql-core's own, of fields beside one that has failed.
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROOT: Final = Path(__file__).parents[3]
SCHEMA: Final = make_schema()
#: `make soak` tries several thousand.
GENERATED: Final = 3_000 if os.environ.get("SOAK") == "1" else 150
SCALARS: Final = {
    name: st.just(value).map(literal.String)
    for name, value in SENT.items()
    if name not in {"Boolean", "ID", "Int", "String"}
}

INVOICES: Final = """
query Page($first: Int, $locale: String = "de", $skip: Boolean!, $with: Boolean = true) {
  __typename
  viewer {
    account { ...Named balances { currency available { amount formatted(locale: $locale) } } }
  }
  page: invoices(first: $first, filter: { status: [PAID, UNPAID] }) {
    edges { cursor node { ...Row lines { description total { amount formatted } } } }
    pageInfo { hasNextPage }
    totalCount
  }
  node(id: "inv_1") { __typename id ... on Invoice { ...Row } ... on Payment { refunds { id } } }
  gateways { code kind currencies }
}
fragment Named on Account { id name @include(if: $with) }
fragment Row on Invoice {
  id number status total { amount currency } account @skip(if: $skip) { ...Named }
  payments @include(if: $with) { id status nextAction { __typename } invoice { id number } }
}
"""


def under(data: Any, path: list[str | int]) -> list[str | int]:
    """The path of the null in the answer that stands there, or above it."""
    for depth, key in enumerate(path):
        if data is None:
            return path[:depth]
        data = data[key]
    return path


def told(result: ExecutionResult) -> tuple[Any, list[object]]:
    """Data and errors. Of several that made one thing null, only one is told, whichever came first:
    what is compared is that there is one.
    """
    errors = set()
    for error in result.errors or ():
        path = error.path or []
        null = under(result.data, path)
        told = (error.message, str(error.locations)) if null == path else "something below it"
        errors.add((str(null), told))
    return result.data, sorted(errors, key=str)


def ours(
    document: DocumentNode, variables: Mapping[str, Any], name: str | None
) -> Executor | list[GraphQLError]:
    made = Executor.build(
        SCHEMA.core,
        document,
        raw_variable_values=dict(variables),
        operation_name=name,
        plans=Plans(SCHEMA),
        objects_max=10**6,
        seconds_max=60.0,
    )
    assert isinstance(made, Executor | list)
    return made


async def both(
    document: DocumentNode, variables: Mapping[str, Any] | None = None, name: str | None = None
) -> tuple[object, object] | None:
    """What we answer and what graphql-core does; None where there is no plan."""
    variables = variables or {}
    executor = ours(document, variables, name)
    stock: Any = execute(
        SCHEMA.core,
        document,
        variable_values=dict(variables),
        operation_name=name,
        executor_class=GraphQLCore,
        operation_extensions=None,
    )
    stock = stock if isinstance(stock, ExecutionResult) else await stock
    if isinstance(executor, list):
        return told(ExecutionResult(None, executor)), told(stock)
    if executor.plans.of(executor) is None:
        return None
    return told(await executor.answer()), told(stock)


def operations(document: DocumentNode) -> Iterator[tuple[str | None, OperationType]]:
    for one in document.definitions:
        if isinstance(one, OperationDefinitionNode):
            yield (one.name.value if one.name else None), one.operation


@cache
def documents_of_the_tests() -> list[DocumentNode]:
    """Every document that stands in a test, and those of the pages."""
    found: dict[str, None] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "{" in node.value:
                found[node.value] = None
    for path in (ROOT / "api" / "web").rglob("*.ts"):
        if "node_modules" not in path.parts:
            for text in path.read_text(encoding="utf-8").split("`")[1::2]:
                found[text] = None
    return [document for text in found if (document := valid(text))]


def valid(text: str) -> DocumentNode | None:
    try:
        document = parse(text)
    except GraphQLError:
        return None
    return None if validate(SCHEMA.core, document) else document


def some_variables(document: DocumentNode, name: str | None, random: Random) -> dict[str, Any]:
    """Values for the variables of an operation; one that may be left out sometimes is."""
    operation = get_operation_ast(document, name)
    assert operation is not None
    given = {}
    for definition in operation.variable_definitions or ():
        type_ = type_from_ast(SCHEMA.core, definition.type)
        assert is_input_type(type_)
        if is_non_null_type(type_) or random.random() < 0.7:
            given[definition.variable.name.value] = some_value(type_, random)
    return given


def some_value(type_: GraphQLInputType, random: Random) -> Any:
    if not is_non_null_type(type_) and random.random() < 0.2:
        return None
    type_ = cast("GraphQLInputType", get_nullable_type(type_))
    if is_list_type(type_):
        return [some_value(type_.of_type, random) for _ in range(random.randrange(3))]
    if is_enum_type(type_):
        return random.choice(list(type_.values))
    if is_input_object_type(type_):
        return {
            name: some_value(field.type, random)
            for name, field in type_.fields.items()
            if is_non_null_type(field.type) or random.random() < 0.5
        }
    return SENT[type_.name]  # type: ignore[union-attr]


@pytest.mark.parametrize("wrong", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("choice", list(product([False, True], repeat=2)), ids=str)
async def test_values_that_fail_and_are_late_give_the_same_answer(
    wrong: float, choice: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = parse(INVOICES)
    assert not validate(SCHEMA.core, document)
    for seed in range(12):
        variables = {"skip": choice[0], "with": choice[1], "first": seed}
        with resolved_by(FakeValues(SCHEMA.core, seed, wrong), monkeypatch):
            answers = await both(document, variables)
        assert answers is not None
        assert answers[0] == answers[1], seed


async def test_every_document_of_the_tests_is_answered_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    documents = documents_of_the_tests()
    assert len(documents) > 100
    planned = 0
    for number, document in enumerate(documents):
        for name, kind in operations(document):
            if kind is OperationType.SUBSCRIPTION:
                continue
            with resolved_by(FakeValues(SCHEMA.core, number, 0.03), monkeypatch):
                answers = await both(document, some_variables(document, name, Random(number)), name)
            if answers is not None:
                planned += 1
                assert answers[0] == answers[1], document.loc
    assert planned > 100


def operation_of(text: str) -> OperationDefinitionNode:
    (operation,) = parse(text).definitions
    assert isinstance(operation, OperationDefinitionNode)
    return operation


class Decorate(Visitor):
    """Puts @skip and @include on fields, and fields that are there already beside them."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.random = random

    def enter_field(self, node: FieldNode, *_: object) -> FieldNode | None:
        chance = self.random.random()
        if chance > 0.25:
            return None
        name = self.random.choice(["skip", "include"])
        value = self.random.choice(["$yes", "$no", "true", "false"])
        (field,) = operation_of(f"{{ x @{name}(if: {value}) }}").selection_set.selections
        return replace(node, directives=(*(node.directives or ()), *(field.directives or ())))


def decorated(text: str, random: Random) -> DocumentNode | None:
    """The same, with parts of it left out by variables."""
    document = visit(parse(text), Decorate(random))
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    head = operation_of("query ($yes: Boolean! = true, $no: Boolean!) { x }")
    variables = (*(operation.variable_definitions or ()), *(head.variable_definitions or ()))
    document = replace(document, definitions=(replace(operation, variable_definitions=variables),))
    return valid(print_ast(document))


@settings(
    max_examples=GENERATED,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    text=from_schema(SCHEMA.core, custom_scalars=SCALARS, allow_x00=False),
    seed=st.integers(0, 10**6),
)
def test_every_document_that_may_be_is_answered_alike(text: str, seed: int) -> None:
    random = Random(seed)
    document = decorated(text, random) or parse(text)
    with pytest.MonkeyPatch.context() as patched:
        fakes = FakeValues(SCHEMA.core, seed, random.choice([0.0, 0.03, 0.15]))
        with resolved_by(fakes, patched):
            answers = asyncio.run(both(document, {"no": seed % 2 == 0}))
    if answers is not None:
        assert answers[0] == answers[1]


# ------------------------------------------------------------------------------- what it does


class Seen:
    """What resolvers of the small schema have done."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.begun = asyncio.Event()

    async def waits(self, name: str, ticks: int = 3) -> str:
        try:
            for _ in range(ticks):
                await asyncio.sleep(0)
            self.begun.set()
            if name == "for ever":
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.done.append(f"{name} was stopped")
            raise
        self.done.append(name)
        return name


@strawberry.type
class Step:
    @strawberry.field
    async def slow(self, info: strawberry.Info[Seen]) -> str:
        return await info.context.waits("for ever")

    @strawberry.field
    async def failing(self, info: strawberry.Info[Seen]) -> str:
        await info.context.begun.wait()
        raise Failed("no")

    @strawberry.field
    async def said(self, info: strawberry.Info[Seen], word: str, ticks: int = 0) -> str:
        return await info.context.waits(word, ticks)

    @strawberry.field
    async def refused(self) -> str | None:
        raise Failed("no")


@strawberry.interface
class Either:
    name: str = "either"


@strawberry.type
class One(Either):
    """What it is."""


@strawberry.type
class Lid:
    word: str = "lid"


@strawberry.type
class Box:
    """All of it is plain."""

    lid: Lid
    lids: list[Lid]
    words: list[str]
    few: list[Lid] | None = None


#: What a resolver may get wrong.
BOXES: Final[dict[str, Any]] = {
    "good": (Lid(), [Lid(), Lid()], ["a"], [Lid()]),
    "empty": (Lid(), [], [], None),
    "no object": (None, [], [], None),
    "an error": (Failed("no"), [], [], None),
    "another object": (One(), [], [], None),
    "no list": (Lid(), None, [], None),
    "a tuple": (Lid(), (Lid(),), ("a", "b"), ()),
    "not a list": (Lid(), 7, [], None),
    "null in a list": (Lid(), [Lid(), None], [], None),
    "null among leaves": (Lid(), [], ["a", None], None),
    "a number": (Lid(), [], ["a", 7], None),
    "an object": (Lid(), [], [Lid()], None),
    "an error in a list": (Lid(), [Lid(), Failed("no")], [], None),
    "null in few": (Lid(), [], [], [None]),
}


@strawberry.type
class Steps:
    @strawberry.field
    def box(self, which: str) -> Box | None:
        lid, lids, words, few = BOXES[which]
        return Box(lid=lid, lids=lids, words=words, few=few)

    @strawberry.field
    def either(self) -> Either:
        return One()

    @strawberry.field
    def step(self) -> Step | None:
        return Step()

    @strawberry.field
    def steps(self, count: int) -> list[Step | None]:
        return [Step() for _ in range(count)]

    @strawberry.field
    async def said(self, info: strawberry.Info[Seen], word: str, ticks: int = 0) -> str:
        return await info.context.waits(word, ticks)


@strawberry.type
class Changes(Steps):
    """The same, one after the other."""


SMALL: Final = Schema(Steps, Changes, types=[One])


@pytest.mark.parametrize("which", BOXES)
@pytest.mark.parametrize("asked", ["{ __typename }", "{ word __typename }"])
async def test_what_is_not_as_its_type_says_is_told_as_graphql_core_tells_it(
    which: str, asked: str
) -> None:
    text = f'{{ box(which: "{which}") {{ lid {asked} lids {asked} words few {asked} }} }}'
    expected: Any = execute(
        SMALL.core, parse(text), executor_class=GraphQLCore, operation_extensions=None
    )
    expected = expected if isinstance(expected, ExecutionResult) else await expected
    assert told(await SMALL.execute(text, {}, Seen())) == told(expected)


async def test_what_is_in_lists_is_counted_once() -> None:
    text = '{ box(which: "good") { lids { word } few { word } } }'
    unread = '{ box(which: "null in few") { lids { word } lid { word } few { word } words } }'
    for objects, refused in ((5, 0), (4, 1)):
        small = SMALL.guarded(Guard(limits=Limits(objects=objects)))
        result = await small.execute(text, {}, Seen())
        assert len(result.errors or ()) == refused
        assert (await small.execute(unread, {}, Seen())).errors


async def test_fields_of_a_mutation_are_done_one_after_the_other() -> None:
    seen = Seen()
    document = '{ a: said(word: "a", ticks: 5) b: said(word: "b") c: step { said(word: "c") } }'
    result = await SMALL.execute(f"mutation {document}", {}, seen)
    assert result.data == {"a": "a", "b": "b", "c": {"said": "c"}}
    assert seen.done == ["a", "b", "c"]
    await SMALL.execute(f"query {document}", {}, seen)
    assert seen.done[3:] == ["b", "c", "a"]


async def test_what_is_beside_a_field_that_makes_all_of_it_null_is_stopped() -> None:
    seen = Seen()
    result = await SMALL.execute("{ step { slow failing } }", {}, seen)
    assert result.data == {"step": None}
    assert [error.path for error in result.errors or ()] == [["step", "failing"]]
    await asyncio.sleep(0)
    assert seen.done == ["for ever was stopped"]


async def test_an_operation_that_is_given_up_leaves_nothing_running() -> None:
    seen = Seen()
    asked = asyncio.ensure_future(SMALL.execute("{ a: step { slow } b: step { slow } }", {}, seen))
    await seen.begun.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert seen.done == ["for ever was stopped"] * 2


async def test_each_choice_of_what_is_left_out_has_a_plan_up_to_a_number() -> None:
    names = [f"v{number}" for number in range(5)]
    fields = " ".join(f'{name}: said(word: "{name}") @include(if: ${name})' for name in names)
    document = f"query ({', '.join(f'${name}: Boolean!' for name in names)}) {{ {fields} }}"
    for choice in product([False, True], repeat=5):
        chosen = dict(zip(names, choice, strict=True))
        result = await SMALL.execute(document, chosen, Seen())
        assert result.data == {name: name for name, is_in in chosen.items() if is_in}
    plans = SMALL.queries[document].plans
    assert len(plans) == PLANS_MAX


def test_what_a_list_holds_is_planned_once_however_many_lists_it_is_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collected: list[str] = []
    collect = collect_subfields

    def counted(*args: Any) -> Any:
        collected.append(args[4].name)
        return collect(*args)

    monkeypatch.setattr("schema.engine.plan.collect_subfields", counted)
    nested = "payments { id invoice { id " * 4 + "number " + "} }" * 4
    executor = ours(parse(f"{{ invoices {{ edges {{ node {{ {nested} }} }} }} }}"), {}, None)
    assert isinstance(executor, Executor)
    executor.plans.of(executor)
    assert sorted(collected) == sorted(
        ["InvoiceConnection", "InvoiceEdge", "Invoice"] + ["Payment", "Invoice"] * 4
    )


async def test_a_plan_keeps_nothing_of_what_its_first_caller_has_sent() -> None:
    word = "a pass phrase that is nobody's but the caller's"[:-1]
    document = (
        "mutation ($word: String!, $in: Boolean!)"
        " { said(word: $word) @include(if: $in) either { name } }"
    )
    kept = sys.getrefcount(word)
    for is_in in (True, False):
        await SMALL.execute(document, {"word": word, "in": is_in}, Quiet())
    assert len(SMALL.queries[document].plans) == 2
    gc.collect()
    assert sys.getrefcount(word) == kept


class Quiet(Seen):
    """It remembers nothing."""

    async def waits(self, name: str, ticks: int = 3) -> str:
        return str(len(name) + ticks)


def test_the_kind_of_an_operation_is_known_without_its_text() -> None:
    text = "query { __typename } # " + "x" * 1000
    kept = sys.getrefcount(text)
    assert operation_kind(text, None, Limits()) == "query"
    assert operation_kind(text, None, Limits()) == "query"
    assert operation_kind("{ a", None, Limits()) is None
    gc.collect()
    assert sys.getrefcount(text) == kept


@pytest.mark.parametrize("field", ["refused", "failing"])
async def test_what_fails_together_is_looked_for_once(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()

    def counted(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def count(*args: Any) -> Any:
            asked[name] += 1
            return method(*args)

        return count

    for name, method in vars(Place).items():
        if isfunction(method) and name != "__init__":
            monkeypatch.setattr(Place, name, counted(name, method))
    fields = " ".join(f"f{n}: {field}" for n in range(30))
    nullable = field == "refused"
    seen = Seen()
    seen.begun.set()
    result = await SMALL.execute(f"{{ steps(count: 100) {{ {fields} }} }}", {}, seen)
    data = {f"f{n}": None for n in range(30)} if nullable else None
    assert result.data == {"steps": [data] * 100}
    assert len(result.errors or ()) == (3000 if nullable else 100)
    assert asked.total() < 10 * 3000, asked
