"""Configurations of others: read within limits, without their code, and with one message where they cannot be read."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import BertConfig

from finetune.errors import UserError
from finetune.models.stored_config import read_config


def stored(folder: Path, **changes: Any) -> Path:
    BertConfig().save_pretrained(folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def test_a_configuration_is_read(tmp_path: Path) -> None:
    config = read_config(str(stored(tmp_path, num_hidden_layers=3)))
    assert type(config) is BertConfig
    assert config.num_hidden_layers == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer_norm_eps": float("nan")}, "NaN, which is no number of JSON"),
        ({"num_hidden_layers": "two"}, "cannot be read"),
        ({"id2label": {"first": "good"}}, "cannot be read"),
        ({"id2label": ["good"]}, "cannot be read"),
        ({"model_type": "unheard-of"}, "an architecture that is part of transformers"),
        ({"model_type": "finetune_masks_unheard-of"}, "cannot be read"),
        ({"model_type": ["bert"]}, "cannot be read"),
    ],
)
def test_values_that_make_no_configuration(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="config") as caught:
        read_config(str(stored(tmp_path, **changes)))
    assert message in str(caught.value)


def test_a_folder_without_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no model[\s\S]*config\.json"):
        read_config(str(tmp_path))
