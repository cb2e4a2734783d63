"""Sentences with entities, and all ways to label them, drawn by hypothesis."""

from dataclasses import replace
from typing import get_args

from hypothesis import strategies as st

from finetune.tasks.labelling import UNNAMED, Entity, Labelling, Scheme, Spelling

SCHEMES: tuple[Scheme, ...] = get_args(Scheme)


PLACES = [Spelling("-"), Spelling("_"), Spelling("-", is_suffix=True), Spelling("_", is_suffix=True), Spelling("")]


SPELLINGS = [replace(place, letters=letters) for place in PLACES for letters in ("BIES", "BMES", "BILU", "BMEW")]


Sentence = list[tuple[int, str]]
"""Lengths and types of entities; the type is empty for words outside."""


SENTENCES = st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["", "PER", "work-of_art"])), max_size=8)


LABELLINGS = st.builds(Labelling, st.sampled_from(SCHEMES), st.sampled_from(SPELLINGS))


def entities_of(sentence: Sentence, *, named: bool) -> tuple[list[Entity], int]:
    """The entities, and the number of words."""
    entities, start = [], 0
    for length, kind in sentence:
        if kind:
            entities.append((kind if named else UNNAMED, start, start + length))
        start += length
    return entities, start
