import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from finetune import recipe
from finetune.errors import UserError
from finetune.models import Head, load_model
from finetune.models.scratch import SIZES, ModelSize, resolve_size, scratch_config

Section = Callable[..., recipe.Model]
Batch = Callable[[PreTrainedTokenizerBase], dict[str, Tensor]]
Same = Callable[[PreTrainedModel, PreTrainedModel], bool]


def test_a_size_can_be_changed_one_by_one() -> None:
    size = resolve_size(recipe.Scratch(architecture="t5", size="tiny", num_layers=7, intermediate_size=33))
    assert size == ModelSize(hidden_size=128, num_layers=7, num_heads=2, intermediate_size=33)


@pytest.mark.parametrize("name", SIZES)
def test_named_sizes_have_heads_of_64(name: str) -> None:
    size = resolve_size(recipe.Scratch.model_validate({"architecture": "bert", "size": name}))
    assert size.hidden_size == 64 * size.num_heads


def test_a_width_that_its_heads_cannot_share_is_refused() -> None:
    with pytest.raises(UserError, match=r"model\.scratch\.hidden_size=132"):
        resolve_size(recipe.Scratch(architecture="bert", size="mini", hidden_size=130))


def test_embeddings_fit_the_tokenizer(section: Section, architecture: str, tokenizer: PreTrainedTokenizerFast) -> None:
    scratch = section(architecture, max_positions=77).scratch
    assert scratch is not None
    config = scratch_config(scratch, "token_classification", tokenizer)
    assert config.vocab_size == len(tokenizer)
    assert config.pad_token_id == tokenizer.pad_token_id
    assert getattr(config, "max_position_embeddings", 77) == 77


def test_a_model_depends_on_the_seed_alone(
    section: Section, architecture: str, tokenizer: PreTrainedTokenizerFast, head: Head,
    labels: tuple[str, ...] | None, same_weights: Same,
) -> None:  # fmt: skip
    one, again, other = (
        load_model(section(architecture), head, tokenizer, labels=labels, seed=seed) for seed in (3, 3, 4)
    )
    assert same_weights(one, again)
    assert not same_weights(one, other)


def test_an_untrained_model_guesses_about_evenly(
    section: Section, architecture: str, tokenizer: PreTrainedTokenizerFast, head: Head,
    labels: tuple[str, ...] | None, batch: Batch,
) -> None:  # fmt: skip
    model = load_model(section(architecture, hidden_size=64), head, tokenizer, labels=labels, seed=0)
    with torch.no_grad():
        loss = model(**batch(tokenizer)).loss.item()
    even = math.log(len(tokenizer) if labels is None else len(labels))
    assert loss < even + 1


@pytest.mark.parametrize(("dropout", "expected"), [(None, 0.3), (0.0, 0.0), (0.4, 0.4)])
def test_dropout_of_the_recipe(
    section: Section, architecture: str, tokenizer: PreTrainedTokenizerFast, head: Head,
    labels: tuple[str, ...] | None, dropout: float | None, expected: float,
) -> None:  # fmt: skip
    model = section(architecture, dropout=0.3).model_copy(update={"dropout": dropout})
    made = load_model(model, head, tokenizer, labels=labels, seed=0)
    assert {module.p for module in made.modules() if isinstance(module, torch.nn.Dropout)} == {expected}


def test_a_single_class_is_no_regression(section: Section, tokenizers: dict[str, PreTrainedTokenizerFast]) -> None:
    model = load_model(section("bert"), "text_classification", tokenizers["bert"], labels=("only",), seed=0)
    inputs = tokenizers["bert"]("a file", return_tensors="pt")
    assert model(**inputs, labels=torch.tensor([0])).loss.item() == 0.0


def test_a_model_larger_than_memory_is_refused_before_it_is_made(tokenizer: PreTrainedTokenizerFast) -> None:
    scratch = recipe.Scratch(architecture="bert", hidden_size=2**16, num_heads=2**10, num_layers=1000)
    model = recipe.Model(scratch=scratch)
    with pytest.raises(UserError, match="larger than this machine's memory") as caught:
        load_model(model, "text_classification", tokenizer, labels=["a", "b"], seed=0)
    assert "GiB" in str(caught.value.found)
