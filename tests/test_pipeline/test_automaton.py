"""Automata against Python's regular expressions, and shapes that can't be read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.kernels.automaton import BLANK_LABEL, Automaton, Pattern, compile_patterns
from schemas import fields

SHAPES = sorted({field.shape for field in fields().values() if field.shape})
WORDS = ("A1", "A12", "中", "MISS0000000000000000")


def label(automaton: Automaton, text: str) -> int:
    state = 0
    for byte in text.encode():
        state = int(automaton.step[state + int(automaton.byte_class[byte])])
        if state >= automaton.first_sink:
            break
    return int(automaton.label[state])


pieces = st.recursive(
    st.sampled_from(["A", "0", "[A-C]", "[0-9]", "[.]", "B", "-"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["?", "*", "{2}", "{1,3}", "{0,2}"])).map(
            lambda parts: f"({parts[0]}){parts[1]}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(pieces, min_size=1, max_size=3), st.lists(st.text("AB0.- C", max_size=6)))
def test_shapes_mean_what_they_mean_to_python(shapes: list[str], texts: list[str]) -> None:
    asked = [Pattern(shape=shape) for shape in shapes]
    asked += [Pattern(words=WORDS), Pattern(prefix="A1")]
    automaton = compile_patterns(asked)
    for text in [*texts, *WORDS, "", " \t", "A12 "]:
        got = label(automaton, text)
        assert (got == BLANK_LABEL) == (not text.strip(" \t\r\n"))
        if got != BLANK_LABEL:
            answers = [bool(automaton.answers[pattern][got]) for pattern in asked]
            matched = [re.fullmatch(shape, text) is not None for shape in shapes]
            assert answers == [*matched, text in WORDS, text.startswith("A1")]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_shape_of_every_field_can_be_read(shape: str) -> None:
    automaton = compile_patterns([Pattern(shape=shape)])
    for text in ("1140305093012", "0USE4FA11RP4J370WR4K", "A123456789", "3502060427", "1", "J00"):
        fits = automaton.answers[Pattern(shape=shape)][label(automaton, text)]
        assert fits == (re.fullmatch(shape, text) is not None)


@pytest.mark.parametrize(
    "shape", ["(A", "A)", "[A", "A{2", "A{3,2}", "A+", "[^A]", r"\d", "A**", ""]
)
def test_a_shape_outside_the_language_is_refused(shape: str) -> None:
    if shape == "":  # the empty shape fits only what is blank anyway
        assert label(compile_patterns([Pattern(shape=shape)]), "A") == 1
        return
    with pytest.raises(ValueError, match="of shape"):
        compile_patterns([Pattern(shape=shape)])
