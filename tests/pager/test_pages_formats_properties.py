"""Generated formats and messages: what is written is read again, and what is damaged never reads as another value."""

from __future__ import annotations

import contextlib
import string
from dataclasses import dataclass
from typing import get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drivers.errors import DataError
from drivers.pager.checks import Algorithm
from drivers.pager.formats_compile import FormatMistake, compile_grammar
from drivers.pager.formats_grammar import Grammar, Span
from drivers.pager.formats_schema import AnyField, CheckField, DecimalField, DigitsField, HexField, LettersField

ASCII = "".join(map(chr, range(128)))
CRCS = tuple(name for name in get_args(Algorithm) if name.startswith("crc"))
SEPARATORS = " ;,:/=#*|<>!\r\n\t"  # none is a part of a field
LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Made:
    """A format, and one message's fields."""

    grammar: Grammar
    values: dict[str, str]


def lengths() -> st.SearchStrategy[int | tuple[int, ...]]:
    low = st.integers(1, 8)
    return st.one_of(low, st.tuples(low, st.integers(8, 12)))


def of_length(length: int | tuple[int, ...], alphabet: str) -> st.SearchStrategy[str]:
    low, high = (length, length) if isinstance(length, int) else length
    return st.text(alphabet, min_size=low, max_size=high)


@st.composite
def fields(draw: st.DrawFn, *, numbers_only: bool) -> tuple[AnyField, str]:
    kind = draw(st.sampled_from(["digits", "decimal", *(() if numbers_only else ("hex", "letters", "signed"))]))
    length = draw(lengths())
    match kind:
        case "digits":
            return DigitsField(length=length), draw(of_length(length, string.digits))
        case "hex":
            return HexField(length=length), draw(of_length(length, string.hexdigits))
        case "letters":
            return LettersField(length=length), draw(of_length(length, LETTERS))
        case _:
            places, signed = draw(st.integers(0, 4)), kind == "signed"
            text = draw(of_length(length, string.digits))
            if places:
                text += "." + draw(of_length(places, string.digits))
            minus = "-" if signed and draw(st.booleans()) else ""
            return DecimalField(whole=length, decimals=places, signed=signed), minus + text


@st.composite
def formats(draw: st.DrawFn, algorithms: tuple[Algorithm, ...] = get_args(Algorithm)) -> Made:
    algorithm = draw(st.sampled_from(algorithms))
    made = draw(st.lists(fields(numbers_only=algorithm == "luhn"), min_size=1, max_size=6))
    separators = [draw(st.sampled_from(SEPARATORS)) + draw(st.sampled_from(["", "X", "K=", "{{"])) for _ in made]
    separators = [one if one[-1] not in LETTERS else one + "=" for one in separators]
    names = [f"f{k}" for k in range(len(made))]
    body = "".join(f"{separator}{{{name}}}" for separator, name in zip(separators, names, strict=True))
    check = CheckField(algorithm=algorithm, base=draw(st.sampled_from(["hex", "decimal"])))
    text = draw(st.sampled_from([f"{{[}}{body}{{]}} C={{check}}", f"{body} {{check}}", f"{{check}}:{{[}}{body}{{]}}"]))
    declared = {name: field for name, (field, _) in zip(names, made, strict=True)}
    grammar = compile_grammar(text, {**declared, "check": check})
    return Made(grammar, {name: value for name, (_, value) in zip(names, made, strict=True)})


@given(formats())
def test_what_is_written_is_read_again(made: Made) -> None:
    text = made.grammar.compose(made.values)
    spans = made.grammar.scan(text)
    assert {name: span.of(text) for name, span in spans.items() if name != "check"} == made.values


@given(formats(CRCS), st.data())
@settings(max_examples=300)
def test_one_wrong_character_never_gives_another_value_under_a_crc(made: Made, data: st.DataObject) -> None:
    text = made.grammar.compose(made.values)
    at = data.draw(st.integers(0, len(text) - 1))
    wrong = data.draw(st.sampled_from(ASCII))
    assume(wrong != text[at])
    assert not read_otherwise(made, text[:at] + wrong + text[at + 1 :])


@given(formats(("xor8", "sum8", "sum8-negated", "sum16", "luhn")), st.data())
def test_nor_under_a_sum_where_the_form_stays(made: Made, data: st.DataObject) -> None:
    text = made.grammar.compose(made.values)
    at = data.draw(st.integers(0, len(text) - 1))
    wrong = data.draw(st.sampled_from(ASCII))
    assume(wrong != text[at])
    assert not read_otherwise(made, text[:at] + wrong + text[at + 1 :])


@given(formats(CRCS), st.data())
def test_a_message_cut_off_or_run_on_is_refused(made: Made, data: st.DataObject) -> None:
    text = made.grammar.compose(made.values)
    cut = data.draw(st.integers(0, len(text) - 1))
    more = data.draw(st.text(ASCII, min_size=1, max_size=5))
    with pytest.raises(DataError):
        made.grammar.scan(text[:cut])
    try:
        made.grammar.scan(text + more)
    except DataError:
        return
    pytest.fail("a longer message was read")


@given(formats(), st.text(max_size=300))
def test_any_text_is_read_or_refused(made: Made, text: str) -> None:
    spans: dict[str, Span] = {}
    with contextlib.suppress(DataError):
        spans = made.grammar.scan(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans.values())


@given(st.text(st.sampled_from("{}[]abc= "), max_size=60))
def test_any_declared_text_compiles_or_is_a_mistake(text: str) -> None:
    grammar: Grammar | None = None
    with contextlib.suppress(FormatMistake):
        grammar = compile_grammar(text, {"a": DigitsField(length=3), "b": DigitsField(length=(1, 3))})
    assert grammar is None or {"a", "b"} <= {part.name for part in grammar.parts}


def read_otherwise(made: Made, damaged: str) -> dict[str, str]:
    """Return the fields that read as another value than was written; a message that is refused has none."""
    try:
        spans = made.grammar.scan(damaged)
    except DataError:
        return {}
    read = {name: spans[name].of(damaged) for name in made.values}
    return {name: text for name, text in read.items() if text != made.values[name]}
