from __future__ import annotations

from time import perf_counter

import pytest
from graphql import get_introspection_query, parse

from schema.engine.limits import LimitExceeded, Limits, check

pytestmark = pytest.mark.once

LIMITS = Limits()


def refusal(source: str, variables: dict[str, object] | None = None) -> str:
    with pytest.raises(LimitExceeded) as caught:
        check(parse(source), LIMITS, variables)
    assert caught.value.extensions == {"code": "LIMIT_EXCEEDED"}
    return caught.value.message


def nested(levels: int) -> str:
    return "{ a " * levels + "}" * levels


def test_a_portal_query_passes_and_names_its_roots() -> None:
    source = """
      query Home($first: Int!) {
        viewer { account { id balance { available { amount } } } }
        invoices(first: $first) { edges { node { ...Row } } pageInfo { hasNextPage } }
      }
      fragment Row on Invoice { id number total { amount } lines { description } }
    """
    assert check(parse(source), LIMITS) == {"viewer", "invoices"}


def test_the_introspection_query_of_the_explorers_passes() -> None:
    source = get_introspection_query(input_value_deprecation=True, specified_by_url=True)
    assert check(parse(source), LIMITS) == {"__schema"}


def test_depth_is_bounded() -> None:
    check(parse(nested(LIMITS.depth)), LIMITS)
    assert "levels" in refusal(nested(LIMITS.depth + 1))


def test_depth_counts_through_fragments() -> None:
    half = "a { " * 8
    close = "}" * 8
    source = f"{{ {half} ...F {close} }} fragment F on A {{ {half} id {close} }}"
    assert "levels" in refusal(source)


def test_inline_fragments_cannot_nest_the_walk_out_of_its_stack() -> None:
    assert "levels" in refusal("{ " + "... { " * 100 + "a" + " }" * 100 + " }")


def test_a_fragment_that_is_a_circle_is_left_to_validation() -> None:
    source = "{ ...A } fragment A on Q { a ...B } fragment B on Q { b ...A }"
    assert check(parse(source), LIMITS) == {"a", "b"}


def test_an_exponential_fragment_bomb_is_refused_at_once() -> None:
    spreads = [
        f"fragment F{i} on Q {{ x {{ ...F{i + 1} }} y {{ ...F{i + 1} }} }}" for i in range(25)
    ]
    document = parse("{ ...F0 } fragment F25 on Q { a } " + " ".join(spreads))
    began = perf_counter()
    with pytest.raises(LimitExceeded):
        check(document, LIMITS)
    assert perf_counter() - began < 0.1


def test_a_fragment_bomb_without_depth_is_refused_by_its_width() -> None:
    spreads = [f"fragment F{i} on Q {{ ...F{i + 1} ...F{i + 1} }}" for i in range(20)]
    assert "root fields" in refusal("{ ...F0 } fragment F20 on Q { a } " + " ".join(spreads))


def test_aliases_count_through_fragments() -> None:
    aliases = " ".join(f"a{i}: id" for i in range(16))
    source = f"{{ a {{ ...F }} b {{ ...F }} }} fragment F on A {{ {aliases} }}"
    assert "aliases" in refusal(source)


def test_directives_are_counted_wherever_they_stand() -> None:
    assert "directives" in refusal("{ a " + "@skip(if: false) " * 31 + "}")
    assert "directives" in refusal("query " + "@x " * 31 + "{ a }")
    assert "directives" in refusal("query ($v: Int " + "@x " * 31 + ") { a }")
    assert "directives" in refusal("{ ...F } fragment F on Q " + "@x " * 31 + "{ a }")


def test_root_fields_are_fewer_for_mutations() -> None:
    fields = " ".join(f"f{i}" for i in range(11))
    check(parse(f"{{ {fields} }}"), LIMITS)
    assert "root fields" in refusal(f"mutation {{ {fields} }}")
    assert "root fields" in refusal("{ " + " ".join(f"f{i}" for i in range(21)) + " }")


@pytest.mark.parametrize("name", sorted(LIMITS.once))
@pytest.mark.parametrize(
    "source",
    [
        "mutation {{ {0} again: {0} }}",
        "mutation {{ {0} ...F }} fragment F on Mutation {{ {0} }}",
        "mutation {{ ...F ... on Mutation {{ ...F }} }} fragment F on Mutation {{ x: {0} }}",
    ],
)
def test_secrets_are_guessed_once_a_request(name: str, source: str) -> None:
    assert name in refusal(source.format(name))
    check(parse(f"mutation {{ {name} {{ userErrors {{ code }} }} }}"), LIMITS)


def test_fragments_operations_and_repeats_are_bounded() -> None:
    assert "fragments" in refusal(
        "{ a } " + " ".join(f"fragment F{i} on Q {{ a }}" for i in range(51))
    )
    assert "operations" in refusal(" ".join(f"query Q{i} {{ a }}" for i in range(11)))
    assert "repeated" in refusal("{ a { " + "b { c } " * 22 + "} }")
    assert "repeated" in refusal("{ a } fragment Unused on Q { x { " + "b { c } " * 22 + "} }")


def test_a_page_costs_its_rows() -> None:
    source = "{ invoices(first: %s) { edges { node { payments(last: %s) { edges { id } } } } } }"
    check(parse(source % (10, 10)), LIMITS)
    assert "cost" in refusal(source % (100, 100))
    assert "cost" in refusal(source % ("9" * 5000, 100))


def test_page_sizes_come_from_variables_and_their_defaults() -> None:
    source = """
      query ($n: Int = %s) {
        a(first: $n) { edges { node { b(first: $n) { edges { node { id } } } } } }
      }
    """
    document = parse(source % 100)
    check(document, LIMITS, {"n": 5})
    assert "cost" in refusal(source % 100, {})
    assert "cost" in refusal(source % 1, {"n": 1_000_000_000})
    assert "cost" in refusal(source % 1)  # variables unknown: the worst is assumed


@pytest.mark.parametrize("size", [None, "5", -1, 0, 1.5])
def test_a_page_size_that_is_none_is_left_to_validation(size: object) -> None:
    source = "query ($n: Int) { a(first: $n) { edges { id } } }"
    assert check(parse(source), LIMITS, {"n": size}) == {"a"}


def test_a_connection_without_a_page_size_costs_the_default_page() -> None:
    inner = "invoices { edges { node { id } } }"
    source = (
        "{ accounts { edges { node { x { edges { node { y { edges { node { %s } } } } } } } } }"
    )
    assert "cost" in refusal((source + " }") % inner)
