"""Models that are to answer: every weight must come from the checkpoint, in its shape, as a number."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from finetune import recipe
from finetune.models import load_model
from tests.models.trained import (
    KINDS,
    LABELS,
    Kind,
    Tokenizers,
    edit_json,
    edit_weights,
    refused,
    save_trained,
    times,
    use,
    without,
)


@pytest.mark.parametrize("masks", [None, {"encoder": "window(1)"}], ids=["stock", "masked"])
@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_a_whole_model_is_used_and_no_weight_may_be_missing_or_no_number(
    kind: Kind, masks: dict[str, Any] | None, folders: dict[str, Path],
    tokenizers: Tokenizers, tmp_path: Path,
) -> None:  # fmt: skip
    folder = save_trained(tmp_path / "model", kind, folders[kind[0]], tokenizers, masks)
    file = folder / "model.safetensors"
    whole, stored = file.read_bytes(), load_file(file)
    loaded = use(folder, kind, tokenizers).state_dict()
    assert all(torch.equal(loaded[name], weight) for name, weight in stored.items())
    for name in {**dict(list(stored.items())[:3]), **dict(list(stored.items())[-3:])}:
        edit_weights(folder, without(name))
        assert name in refused(folder, kind, tokenizers)
        file.write_bytes(whole)
    for number in (math.nan, math.inf):
        edit_weights(folder, times(number))
        message = refused(folder, kind, tokenizers)
        assert "NaN or infinity in" in message
        assert f"and {len(loaded) - 5} more" in message
        file.write_bytes(whole)
    last = list(stored)[-1]

    def one_number(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        weights[last].view(-1)[-1] = math.nan
        return weights

    edit_weights(folder, one_number)
    assert f"NaN or infinity in {last}" in refused(folder, kind, tokenizers)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind[1] != "text_to_text"], ids="-".join)
def test_a_head_that_was_never_trained(
    kind: Kind, folders: dict[str, Path], tokenizers: Tokenizers, tmp_path: Path
) -> None:
    folder = save_trained(tmp_path / "model", kind, folders[kind[0]], tokenizers)
    edit_weights(folder, without("classif"))
    message = refused(folder, kind, tokenizers)
    assert f"has no trained head for {kind[1]}" in message
    assert "no weights for classif" in message
    model = recipe.Model(name=str(folder))
    assert load_model(model, kind[1], tokenizers[kind[0]], labels=LABELS, seed=0), "training makes a new head"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind[1] != "text_to_text"], ids="-".join)
def test_labels_that_are_not_those_of_the_head(
    kind: Kind, folders: dict[str, Path], tokenizers: Tokenizers, tmp_path: Path
) -> None:
    folder = save_trained(tmp_path / "model", kind, folders[kind[0]], tokenizers)

    def without_last_row(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: w[:-1].clone() if w.shape[0] == len(LABELS) else w for name, w in weights.items()}

    edit_weights(folder, without_last_row)
    message = refused(folder, kind, tokenizers)
    assert "do not fit its configuration" in message
    assert "classif" in message
    assert "[2] instead of [3]" in message
    edit_json(folder / "config.json", id2label={"0": "bad", "2": "good"}, label2id={"bad": 0, "good": 2})
    message = refused(folder, kind, tokenizers)
    assert "not those that its head was trained for" in message
    assert "0: bad, 2: good" in message


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_layers_that_the_configuration_does_not_name(
    kind: Kind, folders: dict[str, Path], tokenizers: Tokenizers, tmp_path: Path
) -> None:
    folder = save_trained(tmp_path / "model", kind, folders[kind[0]], tokenizers)
    config = json.loads((folder / "config.json").read_text())
    for part in (config, config.get("encoder", {}), config.get("decoder", {})):
        part |= {name: 1 for name in ("num_hidden_layers", "num_layers", "num_decoder_layers") if name in part}
    (folder / "config.json").write_text(json.dumps(config))
    assert "weights that the configuration has no place for" in refused(folder, kind, tokenizers)


def test_an_encoder_does_not_write(folders: dict[str, Path], tokenizers: Tokenizers) -> None:
    assert "was not trained to generate text" in refused(folders["bert"], ("bert", "text_to_text"), tokenizers)


def test_random_weights_are_not_trained(tokenizers: Tokenizers) -> None:
    model = recipe.Model(scratch=recipe.Scratch(architecture="bert"))
    with pytest.raises(ValueError, match="from scratch is not trained"):
        load_model(model, "text_to_text", tokenizers["bert"], labels=None, seed=0, is_trained=True)
