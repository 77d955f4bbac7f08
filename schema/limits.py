"""What one GraphQL document may cost: measured in one memoised pass, before validation.

Validation itself is quadratic in repeated fields, and whoever expands fragments without a memo
is exponential in them, so a document is measured first. A fragment is walked once, however often
it is spread: 25 fragments that each spread the next one twice cost 25 steps here, not 2^25.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    Node,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)

PAGE_ARGUMENTS = frozenset({"first", "last"})
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
    #: One per field; the fields of a page count once for each row that the page may have.
    cost: int = 10_000
    #: Rows of a page that is asked for without `first` and `last`.
    page_default: int = 20
    #: Rows of the largest page that the schema gives.
    page_max: int = 100
    #: Root fields that guess at secrets: one of each in a request.
    once: frozenset[str] = frozenset({"redeemVoucher", "signIn"})


class LimitExceeded(GraphQLError):
    """The document asks for more than one request may."""

    def __init__(self, message: str) -> None:
        super().__init__(message, extensions={"code": "LIMIT_EXCEEDED"})


@dataclass(slots=True)
class Shape:
    """What a selection set amounts to, with its fragments expanded."""

    depth: int = 0
    cost: int = 0
    aliases: int = 0
    #: Each field name of the top level, and how often it stands there.
    top: Counter[str] = field(default_factory=Counter)

    def add(self, other: Shape) -> None:
        """Puts the selections of a fragment beside our own."""
        self.depth = max(self.depth, other.depth)
        self.cost += other.cost
        self.aliases += other.aliases
        self.top.update(other.top)

    def add_field(self, node: FieldNode, children: Shape, rows: int) -> None:
        """Puts a field with its children, which are fetched once a row, beside our own."""
        self.depth = max(self.depth, children.depth + 1)
        self.cost += 1 + rows * children.cost
        self.aliases += children.aliases + (node.alias is not None)
        self.top[node.name.value] += 1


def check(
    document: DocumentNode, limits: Limits, variables: Mapping[str, Any] | None = None
) -> frozenset[str]:
    """Raises LimitExceeded when the document is too much; else the names of its root fields.

    Page sizes that are variables are taken from `variables`; where those are None, as the largest
    page there is, so that a document that passes without its variables passes with any.
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
        measure = Measure(fragments, limits, _pages(operation, variables))
        roots.update(_check_operation(operation, measure).top)
    # Fragments that nothing spreads are refused by validation, which reads them first.
    unspread = Measure(fragments, limits, None)
    for name in fragments:
        unspread.fragment(name, 0)
    return frozenset(roots)


def _check_operation(operation: OperationDefinitionNode, measure: Measure) -> Shape:
    limits = measure.limits
    measure.count_directives(operation)
    for variable in operation.variable_definitions or ():
        measure.count_directives(variable)
    shape = measure.selections(operation.selection_set, 0)
    mutates = operation.operation is OperationType.MUTATION
    _at_most("levels", shape.depth, limits.depth)
    _at_most("aliases", shape.aliases, limits.aliases)
    _at_most(
        "root fields", shape.top.total(), limits.mutation_fields if mutates else limits.root_fields
    )
    for name in limits.once:
        _at_most(f"fields {name}", shape.top[name], 1)
    _at_most("cost units", shape.cost, limits.cost)
    return shape


def _at_most(what: str, count: int, most: int) -> None:
    if count > most:
        raise LimitExceeded(f"The document has too many {what}: at most {most}.")


def _pages(
    operation: OperationDefinitionNode, variables: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    if variables is None:
        return None
    defaults = {
        definition.variable.name.value: _integer(definition.default_value)
        for definition in operation.variable_definitions or ()
        if isinstance(definition.default_value, IntValueNode)
    }
    return {**defaults, **variables}


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
    pages: Mapping[str, Any] | None
    directives: int = 0
    repeats: int = 0
    known: dict[str, Shape] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    def selections(self, selection_set: SelectionSetNode | None, nesting: int) -> Shape:
        """What a selection set, `nesting` levels down, amounts to."""
        shape = Shape()
        if selection_set is None:
            return shape
        _at_most("levels", nesting, self.limits.depth * NESTING_PER_DEPTH)
        seen: set[str] = set()
        for key, node in _keyed(selection_set):
            self.repeats += key in seen
            seen.add(key)
            _at_most("repeated selections", self.repeats, self.limits.repeats)
            self.count_directives(node)
            self._add(shape, node, nesting + 1)
        return shape

    def _add(self, shape: Shape, node: Node, nesting: int) -> None:
        if isinstance(node, FieldNode):
            children = self.selections(node.selection_set, nesting)
            shape.add_field(node, children, self._rows(node, children))
        elif isinstance(node, InlineFragmentNode):
            shape.add(self.selections(node.selection_set, nesting))
        else:
            shape.add(self.fragment(node.name.value, nesting))  # type: ignore[attr-defined]

    def fragment(self, name: str, nesting: int) -> Shape:
        """What a fragment amounts to. Unknown ones and circles are validation's to refuse."""
        if name in self.known:
            return self.known[name]
        if name in self.open or name not in self.fragments:
            return Shape()
        self.open.add(name)
        node = self.fragments[name]
        self.count_directives(node)
        self.known[name] = shape = self.selections(node.selection_set, nesting)
        self.open.discard(name)
        return shape

    def count_directives(self, node: Node) -> None:
        """Adds the directives that stand at one node."""
        directives: tuple[DirectiveNode, ...] = getattr(node, "directives", None) or ()
        self.directives += len(directives)
        _at_most("directives", self.directives, self.limits.directives)

    def _rows(self, node: FieldNode, children: Shape) -> int:
        given = [
            self._page_size(argument.value)
            for argument in node.arguments or ()
            if argument.name.value in PAGE_ARGUMENTS
        ]
        if given:
            return max(1, min(max(given), self.limits.page_max))
        return self.limits.page_default if "edges" in children.top else 1

    def _page_size(self, value: ValueNode) -> int:
        if isinstance(value, IntValueNode):
            return _integer(value)
        if isinstance(value, VariableNode) and self.pages is None:
            return self.limits.page_max
        size = self.pages.get(value.name.value) if isinstance(value, VariableNode) else None  # type: ignore[union-attr]
        return size if isinstance(size, int) else self.limits.page_default


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
