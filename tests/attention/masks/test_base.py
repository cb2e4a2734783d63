import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings

from finetune.attention.masks import (
    Mask,
    causal,
    full,
    global_tokens,
    parse,
    random_keys,
    window,
)
from tests.attention.expressions import NUM_HEADS, Example, atoms, by_loops, examples, masks, texts

properties = settings(deadline=None, max_examples=100)


@properties
@given(text=texts, example=examples())
def test_dense_form_is_that_of_the_table_pair_by_pair(text: str, example: Example) -> None:
    assert torch.equal(parse(text).dense(**example.arguments), by_loops(text, example))


@properties
@given(text=atoms, example=examples())
def test_each_mask_alone_is_that_of_the_table(text: str, example: Example) -> None:
    assert torch.equal(parse(text).dense(**example.arguments), by_loops(text, example))


@properties
@given(mask=masks, example=examples())
def test_a_head_by_itself_obeys_its_mask(mask: Mask, example: Example) -> None:
    dense = mask.dense(**example.arguments)
    for head in range(NUM_HEADS):
        assert torch.equal(mask.at_head(head, NUM_HEADS).dense(**example.arguments)[head], dense[head])


@properties
@given(mask=masks, example=examples())
def test_a_mask_whose_needs_exclude_it_is_the_same_in_all_heads_and_lengths(mask: Mask, example: Example) -> None:
    dense = mask.dense(**example.arguments)
    if not mask.needs.by_head:
        assert torch.equal(dense, dense[:1].expand_as(dense))
    if not mask.needs.length and example.key_length is None:
        shorter = max(0, example.query_length - 1)
        features = {
            name: given[:shorter] if isinstance(given, list) else given for name, given in example.features.items()
        }
        assert torch.equal(mask.dense(shorter, None, NUM_HEADS, features), dense[:, :shorter, :shorter])


def test_needs_of_an_expression_are_those_of_its_parts() -> None:
    needs = parse(
        "per_head(same(word), prefix(n)) & ~global_tokens(cls, -1) | per_head(full(), none(), causal())"
    ).needs
    assert needs.columns == {"word", "is_cls"}
    assert needs.values == {"n"}
    assert needs.length
    assert needs.by_head
    assert needs.heads == 6


@pytest.mark.parametrize("length", [0, 1])
def test_shortest_examples(length: int) -> None:
    assert torch.equal(causal().dense(length), torch.ones(1, length, length, dtype=torch.bool))
    assert random_keys(2, 0).count(length) == length
    assert full().dense(0, 3).shape == (1, 0, 3)


def test_key_ranges_are_what_a_plan_can_skip_by() -> None:
    mask = window(2) | global_tokens(0)
    assert mask.key_ranges(range(100, 164), 1000) == [range(1), range(98, 166)]
    assert mask.key_ranges(range(1), 1000) == [range(1000)]
    assert (mask & causal()).key_ranges(range(100, 164), 1000) == [range(1), range(98, 164)]


def test_python_words_are_no_operators_of_masks() -> None:
    with pytest.raises(TypeError, match="write & for and"):
        causal() and full()
    with pytest.raises(TypeError):
        causal() & 3  # type: ignore[operator]
    with pytest.raises(TypeError):
        causal() | "full()"  # type: ignore[operator]


def test_masks_and_programs_are_read_without_torch() -> None:
    code = (
        "import sys; from finetune.attention import Program; "
        "Program.from_config({'encoder': 'window(3) & ~random_keys(1, 0)'}).by_layer('encoder', 2); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
