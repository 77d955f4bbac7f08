"""What people read is there in every language, and says what the facts are."""

from __future__ import annotations

import ast
import re
import shutil
import string
from pathlib import Path
from typing import Final

import pytest

from models import errors
from models.access import rotation
from models.errors import AmountOutOfRange, GatewayFailed, Invalid, Refusal, UserErrorCode
from models.ledger.credit_transaction import StatementLineKind
from models.money import Money
from schema.core import texts
from schema.core.errors import top_level_error
from schema.core.texts import CATALOGUES, accepted, best_locale, explain, written_money

ROOT: Final = Path(__file__).parents[3]
ENGLISH: Final = CATALOGUES["en"]


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def literals(keyword: str) -> set[str]:
    """The strings that the domain's calls give as that keyword: problem="too_long"."""
    return {
        given.value.value
        for path in (ROOT / "models").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        for given in call.keywords
        if given.arg == keyword and isinstance(given.value, ast.Constant)
        if isinstance(given.value.value, str)
    }


@pytest.mark.parametrize("language", sorted(set(CATALOGUES) - {"en"}))
def test_a_language_says_everything_with_the_same_facts(language: str) -> None:
    ours = CATALOGUES[language]
    assert set(ours) == set(ENGLISH)
    for key, sentence in ENGLISH.items():
        assert placeholders(ours[key]) == placeholders(sentence), key


@pytest.mark.parametrize("language", sorted(CATALOGUES))
def test_no_sentence_is_written_twice(language: str) -> None:
    written = (ROOT / "schema" / "locale" / f"{language}.po").read_text(encoding="utf-8")
    keys = re.findall(r'^msgid "(.+)"$', written, re.MULTILINE)
    assert sorted(keys) == sorted(set(keys))


def test_a_bound_that_is_told_is_the_one_that_holds() -> None:
    with pytest.raises(Invalid) as told:
        rotation.overlap(rotation.HOURS_MAX + 1)
    assert explain(told.value, "en") == "This must be between 0 and 720 hours."


def test_a_language_is_added_by_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "schema" / "locale", tmp_path, dirs_exist_ok=True)
    for language, transfer in (("pt", "Transferência"), ("pt-BR", "Transferência bancária")):
        (tmp_path / f"{language}.po").write_text(
            f'msgid "gateway.bank-transfer"\nmsgstr "{transfer}"\n', encoding="utf-8"
        )
    with (tmp_path / "pt.po").open("a", encoding="utf-8") as file:
        file.write('\nmsgid "INVALID"\nmsgstr "Valor inválido."\n')
    monkeypatch.setattr(texts, "CATALOGUES", texts.Catalogues(tmp_path))
    assert texts.gateway("bank-transfer", "pt-PT") == "Transferência"
    for spelling in ("pt-BR", "pt_br", "PT-br"):
        assert texts.gateway("bank-transfer", spelling) == "Transferência bancária"
    assert explain(Invalid(problem="new"), "pt-BR") == "Valor inválido."
    assert texts.gateway("card", "pt") == ENGLISH["gateway.card"]


@pytest.mark.parametrize("language", ["de", "en", "fr", "ja"])
def test_there_are_the_languages_that_the_documents_have(language: str) -> None:
    assert language in CATALOGUES


@pytest.mark.parametrize("language", sorted(set(CATALOGUES) - {"en"}))
def test_a_language_has_words_of_its_own(language: str) -> None:
    alike = {key for key, said in CATALOGUES[language].items() if said == ENGLISH[key]}
    assert alike <= {"diagnosis.failed", "gateway.paypal"}


def test_every_code_is_explained() -> None:
    assert {code.value for code in UserErrorCode} <= set(ENGLISH)


def test_every_refusal_of_the_domain_has_its_code_in_the_api() -> None:
    refusals = [one for one in vars(errors).values() if isinstance(one, type)]
    codes = {one.code for one in refusals if issubclass(one, Refusal) and one is not Refusal}
    assert codes == {code.value for code in UserErrorCode}


def test_every_problem_of_the_domain_is_explained() -> None:
    assert literals("problem") <= {key.partition(".")[2] for key in ENGLISH}
    assert literals("why") <= {key.partition(".")[2] for key in ENGLISH}


def test_every_kind_of_statement_line_is_described() -> None:
    for kind in StatementLineKind:
        assert f"credit.{kind.value}" in ENGLISH
        assert placeholders(ENGLISH[f"credit.{kind.value}.note"]) == {"note"}


def test_every_reason_of_a_diagnosis_is_explained() -> None:
    source = (ROOT / "models" / "payments" / "diagnosis.py").read_text(encoding="utf-8")
    said = {key.partition(".")[2] for key in ENGLISH if key.startswith("diagnosis.")}
    reasons = {reason for reason in said if f'"{reason}"' in source}
    assert reasons == said


def test_a_refusal_is_explained_as_exactly_as_its_facts_allow() -> None:
    five, nine = Money(500, "USD"), Money(900, "USD")
    assert explain(AmountOutOfRange(minimum=five, maximum=nine), "en") == (
        "The amount must be between $5.00 and $9.00."
    )
    assert explain(AmountOutOfRange(minimum=five), "en") == "The amount must be at least $5.00."
    assert explain(AmountOutOfRange(maximum=nine), "ja") == ("金額は$9.00以下で指定してください。")
    assert explain(AmountOutOfRange(), "en") == ENGLISH["AMOUNT_OUT_OF_RANGE"]
    assert explain(Invalid(problem="too_long"), "en") == "This is too long."
    assert explain(Invalid(problem="of some new kind"), "en") == ENGLISH["INVALID"]
    assert explain(GatewayFailed(failure="x"), "en") == ENGLISH["GATEWAY_FAILED"]


def test_a_fact_is_never_a_template() -> None:
    assert texts.say("credit.ADJUSTMENT.note", "en", note="{0.__class__} %s") == (
        "Adjustment: {0.__class__} %s"
    )


@pytest.mark.parametrize(
    ("minor", "currency", "locale", "written"),
    [
        (1235, "JPY", "en", "¥1,235"),
        (1235, "JPY", "ja", "¥1,235"),
        (2500, "USD", "en", "$25.00"),
        (-2500, "USD", "en", "-$25.00"),
        (1000, "KWD", "en", "KWD\N{NO-BREAK SPACE}1.000"),
        (300, "HUF", "en", "HUF\N{NO-BREAK SPACE}3.00"),
        (123456789, "EUR", "de", "1.234.567,89\N{NO-BREAK SPACE}€"),
        (10**15, "USD", "en", "$10,000,000,000,000.00"),
    ],
)
def test_money_is_written_with_every_decimal(
    minor: int, currency: str, locale: str, written: str
) -> None:
    assert written_money(Money(minor, currency), locale) == written


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "xx-XX",
        "../../etc/passwd",
        "en\x00",
        "e" * 10_000,
        "ｅｎ",
        "en_US.UTF-8@euro",
        "%s",
        "{0}",
    ],
)
def test_a_locale_that_nobody_knows_is_passed_over(hostile: str) -> None:
    assert best_locale(hostile, "ja") == "ja"
    assert best_locale(hostile, None) == "en"


def test_a_locale_without_its_country_is_better_than_none() -> None:
    assert best_locale("ja-XX") == "ja"
    assert best_locale("en_gb") == "en-GB"


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("ja,en;q=0.8", "ja"),
        ("en;q=0.8, ja", "ja"),
        ("tlh, de-CH;q=0.9, *;q=0.1", "de-CH"),
        ("*", ""),
        ("", ""),
        ("en;q=banana,;;,,", "en"),
        ("," * 100_000 + "ja", ""),
    ],
)
def test_the_browsers_favourite_that_we_know_is_taken(header: str, locale: str) -> None:
    assert accepted(header) == locale


def test_only_what_was_meant_for_the_client_is_told() -> None:
    with pytest.raises(AssertionError):
        top_level_error(RuntimeError("a secret"), "en")
