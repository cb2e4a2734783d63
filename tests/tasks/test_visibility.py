"""What a model's head can know under masks: label leaks are refused, hidden text is warned of, and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finetune.data.features import Column, Features
from finetune.errors import UserError
from finetune.progress import console
from finetune.recipe import Recipe
from finetune.tasks.text_to_text import TextToTextTask
from finetune.tasks.visibility import choose_examples, hidden_text
from finetune.training import prepare
from tests.training.conftest import toy as toy

Toy = Callable[..., Recipe]


def warnings(recipe: Recipe) -> list[str]:
    run = prepare(recipe)
    return list(map(str, hidden_text(run.views, run.task.program)))


def small(toy: Toy, kind: str, architecture: str, **keys: Any) -> Recipe:
    return toy(kind, architecture, train=24, held_out=8, **keys)


@pytest.mark.parametrize(
    ("decoder", "layout"),
    [
        ("causal() | prefix(8)", "ragged"),
        ({"mask": "full()", "bidirectional": True}, "padded"),
        ({"mask": "causal()", "layers": {"-1": "causal() | window(0, 1)"}}, "ragged"),
        ("per_head(causal(), causal() | prefix(3))", "padded"),
    ],
)
def test_a_decoder_that_can_see_its_labels_is_refused(toy: Toy, decoder: object, layout: str) -> None:
    recipe = small(toy, "text_to_text", "t5", **{"attention.decoder": decoder, "training.layout": layout})
    with pytest.raises(UserError, match="the decoder can see the labels that it is to predict") as caught:
        prepare(recipe)
    assert "attention.decoder=" in str(caught.value.where)
    assert "token 1 of 5 can be influenced by itself" in str(caught.value.found)
    assert not recipe.output_dir.exists() or not list(recipe.output_dir.rglob("metrics.jsonl"))


def test_two_berts_leak_as_t5_does(toy: Toy) -> None:
    with pytest.raises(UserError, match="the decoder can see the labels"):
        prepare(small(toy, "text_to_text", "bert", **{"attention.decoder": "causal() | prefix(2)"}))


def test_a_leak_in_one_example_alone_is_found_where_a_column_gives_the_prefix(toy: Toy) -> None:
    recipe = toy("text_to_text", "t5", train=60, held_out=8, **{"attention.decoder": "causal() | prefix(shown)"})
    for file in Path(str(recipe.data.path)).iterdir():
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        written = [json.dumps(row | {"shown": str(4 * (number == 33))}) for number, row in enumerate(rows)]
        file.write_text("\n".join(written) + "\n")
    with pytest.raises(UserError, match="the decoder can see the labels") as caught:
        prepare(recipe)
    assert "train example 33" in str(caught.value.found)


@pytest.mark.parametrize(("shown", "leaks"), [(0, False), (1, False), (2, True)])
def test_a_mask_may_show_the_declared_prompt_and_no_more(toy: Toy, shown: int, leaks: bool) -> None:
    """Of P prompt tokens prefix(P + 1) shows all, and the start token."""
    keys: dict[str, Any] = {"task.target_prompt": "rot hund "}
    run = prepare(small(toy, "text_to_text", "t5", **keys))
    assert isinstance(run.task, TextToTextTask)
    prompt = len(run.task.prompt_ids(run.context.tokenizer))
    assert prompt > 1
    recipe = small(toy, "text_to_text", "t5", **keys, **{"attention.decoder": f"causal() | prefix({prompt + shown})"})
    if leaks:
        with pytest.raises(UserError, match="the decoder can see the labels") as caught:
            prepare(recipe)
        assert f"token {prompt + 1} of " in str(caught.value.found)
    else:
        assert prepare(recipe).views


def test_masks_of_a_decoder_without_labels_of_its_own_are_free(toy: Toy) -> None:
    """T5's classifier reads the text in its decoder, too, and is to predict none of it."""
    keys = {"attention.decoder": {"mask": "full()", "bidirectional": True}}
    assert warnings(small(toy, "text_classification", "t5", **keys)) == []


@pytest.mark.parametrize(
    ("kind", "architecture", "masks"),
    [
        ("text_classification", "bert", {"attention.encoder": "window(2) | global_tokens(cls)"}),
        ("text_classification", "bert", {"attention.encoder": {"mask": "blocks(2)", "layers": {"0": "full()"}}}),
        ("text_classification", "bert", {"attention.encoder": "per_head(blocks(2), full())"}),
        ("text_classification", "t5", {"attention.encoder": "none()", "attention.cross": "none()"}),
        ("token_classification", "bert", {"attention.encoder": "window(3)"}),
        ("text_to_text", "t5", {"attention.cross": "window(2)", "attention.decoder": "window(4)"}),
        ("text_classification", "bert", {}),
    ],
)
def test_what_all_can_be_read_of_is_not_warned_of(
    toy: Toy, kind: str, architecture: str, masks: dict[str, Any]
) -> None:
    """Among them T5's classifier, whose decoder reads the whole text itself."""
    assert warnings(small(toy, kind, architecture, **masks)) == []


def test_text_that_is_hidden_from_the_token_that_the_head_reads(toy: Toy) -> None:
    (told,) = warnings(small(toy, "text_classification", "bert", **{"attention.encoder": "blocks(4)"}))
    assert told.startswith("[CLS] reaches 4 of ")
    assert "attention.encoder=blocks(4)" in told
    assert 'attention.encoder="blocks(4) | global_tokens(cls)"' in told


def test_scores_change_no_reach_and_stay_in_the_advice(toy: Toy) -> None:
    plain, scored = (
        warnings(small(toy, "text_classification", "bert", **{"attention.encoder": mask}))
        for mask in ("blocks(4)", "blocks(4) + alibi() + bias(sentence, 1)")
    )
    assert scored[0].split("\n")[0] == plain[0].split("\n")[0]
    assert 'attention.encoder="(blocks(4) | global_tokens(cls)) + alibi() + bias(sentence, 1.0)"' in scored[0]
    assert warnings(small(toy, "text_classification", "bert", **{"attention.encoder": "full() + alibi()"})) == []
    with pytest.raises(UserError, match="the decoder can see the labels"):
        prepare(small(toy, "text_to_text", "t5", **{"attention.decoder": "(causal() | prefix(8)) + alibi()"}))


def test_the_reach_of_a_classifier_is_followed_through_layers(toy: Toy) -> None:
    """Two layers of window(1) reach two tokens on, and [CLS] has tokens on one side alone."""
    (told,) = warnings(small(toy, "text_classification", "bert", **{"attention.encoder": "window(1)"}))
    assert told.startswith("[CLS] reaches 3 of ")


@pytest.mark.parametrize("layout", ["ragged", "padded"])
def test_words_that_see_next_to_nothing_of_their_sentence(toy: Toy, layout: str) -> None:
    keys = {"attention.encoder": "window(0)", "training.layout": layout}
    (told,) = warnings(small(toy, "token_classification", "bert", **keys))
    assert told.startswith("a labelled token reaches 1 of ")
    assert 'attention.encoder.layers={"-1": "full()"}' in told


def test_a_source_that_is_hidden_from_the_target_and_a_target_that_forgets(toy: Toy) -> None:
    source, target = warnings(
        small(toy, "text_to_text", "t5", **{"attention.cross": "none()", "attention.decoder": "window(0)"})
    )
    assert source.startswith("a target position reaches 0 of ")
    assert "source tokens" in source
    assert target.startswith("a target position reaches 1 of ")


def test_a_run_tells_the_warning_when_it_starts(toy: Toy) -> None:
    with console.capture() as said:
        prepare(small(toy, "text_classification", "bert", **{"attention.encoder": "blocks(4)"}))
    assert "warning: [CLS] reaches 4 of " in said.get()


def test_few_examples_of_all_lengths_are_looked_at() -> None:
    lengths = np.arange(1000)[::-1].copy()
    opening = np.zeros(1000, dtype=np.int64)
    opening[[700, 3]] = 1, 5  # number 3 has 996 tokens, which are too many
    features = Features({"mask_opening": Column(opening), "length": Column(lengths)}, 1000)
    chosen = choose_examples(lengths, features)
    assert len(chosen) == 9
    assert 700 in chosen
    assert (lengths[chosen].min(), lengths[chosen].max()) == (0, 512)
    assert choose_examples(lengths[:100], features).tolist() == [99], "of long ones the shortest alone"
    assert len(choose_examples(lengths + 10_000, features)) == 0
