"""What one GraphQL document may cost: measured in one memoised pass, before validation.

Validation itself is quadratic in repeated fields, and whoever expands fragments without a memo
is exponential in them, so a document is measured first. A fragment is walked once, however often
it is spread: 25 fragments that each spread the next one twice cost 25 steps here, not 2^25.

What a list holds multiplies what is asked of each of its objects, and lists in lists multiply one
another: `payments { invoice { payments { …` costs fifty times as much with each turn. So whatever
passes is small even where every list is as long as it can be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLNamedType,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    Node,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)

if TYPE_CHECKING:
    from schema.engine.costs import Costs

PAGE_ARGUMENTS = frozenset({"first", "last"})
#: The list that an argument of this name gives is as long as what is found.
LIST_ARGUMENT: Final = "ids"
#: A row of a page is read, decoded and shown before anything is asked of it.
ROW_COST: Final = 220
# Inline fragments nest without adding depth; this keeps the walk far from Python's own limit.
NESTING_PER_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one document may ask for. Counts see through aliases and fragments."""

    source_chars: int = 65_536
    tokens: int = 2_000
    comments: int = 500
    operations: int = 10
    fragments: int = 50
    depth: int = 15
    aliases: int = 30
    directives: int = 30
    root_fields: int = 20
    mutation_fields: int = 10
    #: Selections that say again what their selection set says already: validation compares each
    #: such pair, and everything below the one with everything below the other.
    repeats: int = 20
    #: In units of reading a plain field, one or two microseconds; see costs.py. What is in a list
    #: counts as often as the list may have entries.
    cost: int = 400_000
    #: Objects of an answer: more than pass the cost only where data breaks its bounds.
    objects: int = 50_000
    #: Rows of a page that is asked for without `first` and `last`.
    page_default: int = 20
    #: Rows of the largest page that the schema gives.
    page_max: int = 100
    #: Steps of introspection from a type to the types of its fields: `fields { type { fields …`.
    introspection: int = 2
    #: Root fields that guess at secrets: one of each in a request.
    once: frozenset[str] = frozenset(
        {"redeemVoucher", "signIn", "completeSignIn", "confirmIdentity", "removeSecondFactor"}
        | {"signUp", "requestPasswordReset", "setPassword"}
        | {"changePassword", "changeEmail", "confirmEmail"}
    )


class LimitExceeded(GraphQLError):
    """The document asks for more than one request may."""

    def __init__(self, message: str) -> None:
        super().__init__(message, extensions={"code": "LIMIT_EXCEEDED"})


class Field(NamedTuple):
    """What the schema says of a field, as far as it costs anything."""

    cost: int = 1
    #: Of what it returns: the type whose fields are selected below it.
    type: GraphQLNamedType | None = None
    #: Maximum length of the list; None if it isn't a list, or is a page.
    most: int | None = None
    #: Whether it takes `first` and `last`.
    is_page: bool = False
    #: Whether it walks from a type of the introspection to many others.
    introspects: bool = False


UNKNOWN: Final = Field()


@dataclass(slots=True)
class Tally:
    """What a selection set amounts to, with its fragments expanded."""

    depth: int = 0
    cost: int = 0
    aliases: int = 0
    introspection: int = 0
    #: Each field name of the top level, and how often it stands there.
    top: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Puts the selections of a fragment beside our own."""
        self.depth = max(self.depth, other.depth)
        self.cost += other.cost
        self.aliases += other.aliases
        self.introspection = max(self.introspection, other.introspection)
        self.top.update(other.top)

    def add_field(self, node: FieldNode, known: Field, children: Tally, cost: int) -> None:
        """Puts a field, whose children cost that much together, beside our own."""
        self.depth = max(self.depth, children.depth + 1)
        self.cost += known.cost + cost
        self.aliases += children.aliases + (node.alias is not None)
        self.introspection = max(self.introspection, children.introspection + known.introspects)
        self.top[node.name.value] += 1


def check(
    document: DocumentNode,
    limits: Limits,
    variables: Mapping[str, Any] | None = None,
    costs: Costs | None = None,
) -> frozenset[str]:
    """Raises LimitExceeded when the document is too much; else the names of its root fields.

    Page sizes that are variables are taken from `variables`; where those are None, as the largest
    page there is, so that a document that passes without its variables passes with any. Without
    `costs` nothing is known of the fields, and only pages are counted as lists.
    """
    fragments = {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    operations = [
        node for node in document.definitions if isinstance(node, OperationDefinitionNode)
    ]
    _at_most("fragments", len(fragments), limits.fragments)
    _at_most("operations", len(operations), limits.operations)
    roots: set[str] = set()
    for operation in operations:
        measure = Measure(fragments, limits, _variables(operation, variables), costs)
        roots.update(_check_operation(operation, measure).top)
    # Fragments that nothing spreads are refused by validation, which reads them first.
    unspread = Measure(fragments, limits, None, costs)
    for name in fragments:
        unspread.fragment(name, 0)
    return frozenset(roots)


def _check_operation(operation: OperationDefinitionNode, measure: Measure) -> Tally:
    limits = measure.limits
    measure.count_directives(operation)
    for variable in operation.variable_definitions or ():
        measure.count_directives(variable)
    root = measure.costs.root(operation.operation.value) if measure.costs else None
    tally = measure.selections(operation.selection_set, root, 0)
    mutates = operation.operation is OperationType.MUTATION
    _at_most("levels", tally.depth, limits.depth)
    _at_most("aliases", tally.aliases, limits.aliases)
    _at_most(
        "root fields", tally.top.total(), limits.mutation_fields if mutates else limits.root_fields
    )
    for name in limits.once:
        _at_most(f"fields {name}", tally.top[name], 1)
    _at_most("steps of introspection", tally.introspection, limits.introspection)
    _at_most("cost units", tally.cost, limits.cost)
    return tally


def _at_most(what: str, count: int, most: int) -> None:
    if count > most:
        raise LimitExceeded(f"The document has too many {what}: at most {most}.")


def _variables(
    operation: OperationDefinitionNode, variables: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    if variables is None:
        return None
    defaults = {
        definition.variable.name.value: _default(definition.default_value)
        for definition in operation.variable_definitions or ()
    }
    return {**defaults, **variables}


def _default(node: ValueNode | None) -> int | list[None] | None:
    """As far as it says how much there may be of anything."""
    if isinstance(node, IntValueNode):
        return _integer(node)
    return [None] * len(node.values) if isinstance(node, ListValueNode) else None


def _integer(node: IntValueNode) -> int:
    # Python refuses to read integers of more than 4300 digits; a page is never that large.
    digits = node.value
    return int(digits) if len(digits) <= len("-2147483648") else 2**31


@dataclass(slots=True)
class Measure:
    """Walks one operation, each fragment once."""

    fragments: Mapping[str, FragmentDefinitionNode]
    limits: Limits
    #: Values of the variables, or None: page sizes are then the largest.
    variables: Mapping[str, Any] | None
    costs: Costs | None
    directives: int = 0
    repeats: int = 0
    known: dict[str, Tally] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    def selections(
        self, selection_set: SelectionSetNode | None, on: GraphQLNamedType | None, nesting: int
    ) -> Tally:
        """What a selection set on that type, `nesting` levels down, amounts to."""
        tally = Tally()
        if selection_set is None:
            return tally
        _at_most("levels", nesting, self.limits.depth * NESTING_PER_DEPTH)
        seen: set[str] = set()
        for key, node in _keyed(selection_set):
            self.repeats += key in seen
            seen.add(key)
            _at_most("repeated selections", self.repeats, self.limits.repeats)
            self.count_directives(node)
            self._add(tally, node, on, nesting + 1)
        return tally

    def _add(self, tally: Tally, node: Node, on: GraphQLNamedType | None, nesting: int) -> None:
        if isinstance(node, FieldNode):
            self._add_field(tally, node, on, nesting)
        elif isinstance(node, InlineFragmentNode):
            condition = node.type_condition
            on = self._named(condition.name.value) if condition else on
            tally.add(self.selections(node.selection_set, on, nesting))
        else:
            tally.add(self.fragment(node.name.value, nesting))  # type: ignore[attr-defined]

    def _add_field(
        self, tally: Tally, node: FieldNode, on: GraphQLNamedType | None, nesting: int
    ) -> None:
        known = self.costs.field(on, node) if self.costs else UNKNOWN
        children = self.selections(node.selection_set, known.type, nesting)
        rows = self._page_rows(node, known, children)
        if rows is not None:
            cost = rows * (ROW_COST + children.cost)
        elif known.most is not None:
            cost = self._entries(node, known.most) * (1 + children.cost)
        else:
            cost = children.cost
        tally.add_field(node, known, children, cost)

    def _named(self, name: str) -> GraphQLNamedType | None:
        return self.costs.named(name) if self.costs else None

    def fragment(self, name: str, nesting: int) -> Tally:
        """What a fragment amounts to. Unknown ones and circles are validation's to refuse."""
        if name in self.known:
            return self.known[name]
        if name in self.open or name not in self.fragments:
            return Tally()
        self.open.add(name)
        node = self.fragments[name]
        self.count_directives(node)
        on = self._named(node.type_condition.name.value)
        self.known[name] = tally = self.selections(node.selection_set, on, nesting)
        self.open.discard(name)
        return tally

    def count_directives(self, node: Node) -> None:
        """Adds the directives that stand at one node."""
        directives: tuple[DirectiveNode, ...] = getattr(node, "directives", None) or ()
        self.directives += len(directives)
        _at_most("directives", self.directives, self.limits.directives)

    def _page_rows(self, node: FieldNode, known: Field, children: Tally) -> int | None:
        """How many rows the page may have; None if the field isn't a page."""
        given = [
            self._page_size(argument.value)
            for argument in node.arguments or ()
            if argument.name.value in PAGE_ARGUMENTS
        ]
        if given:
            return max(1, min(max(given), self.limits.page_max))
        return self.limits.page_default if known.is_page or "edges" in children.top else None

    def _page_size(self, value: ValueNode) -> int:
        if isinstance(value, IntValueNode):
            return _integer(value)
        if isinstance(value, VariableNode) and self.variables is None:
            return self.limits.page_max
        size = self.variables.get(value.name.value) if isinstance(value, VariableNode) else None  # type: ignore[union-attr]
        return size if isinstance(size, int) else self.limits.page_default

    def _entries(self, node: FieldNode, most: int) -> int:
        """How many entries the list may have: no more than are asked for, where it says so."""
        for argument in node.arguments or ():
            if argument.name.value == LIST_ARGUMENT:
                return min(self._length(argument.value, most), most)
        return most

    def _length(self, value: ValueNode, most: int) -> int:
        if isinstance(value, ListValueNode):
            return len(value.values)
        if isinstance(value, VariableNode):
            given = (
                self.variables.get(value.name.value)
                if self.variables is not None
                else [None] * most
            )
            return len(given) if isinstance(given, list) else 1
        return 1


def _keyed(selection_set: SelectionSetNode) -> Iterator[tuple[str, Node]]:
    """Each selection with what makes two of them the same: response key or fragment name."""
    for node in selection_set.selections:
        if isinstance(node, FieldNode):
            yield (node.alias or node.name).value, node
        elif isinstance(node, InlineFragmentNode):
            on = node.type_condition
            yield f"... on {on.name.value if on else ''}", node
        else:
            yield f"...{node.name.value}", node  # type: ignore[attr-defined]
