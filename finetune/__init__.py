"""Fine-tunes pretrained BERT and T5 models under attention masks written as expressions."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finetune.hub import LoadedModel

__version__ = "0.1.0"


def load(name: "str | Path", *, revision: str = "main", cache_dir: Path | None = None) -> "LoadedModel":
    """Load a model that finetune saved: `model, tokenizer, masks = finetune.load("user/name")`.

    See `finetune.hub.load`, which is imported on the first call.
    """
    from finetune import hub

    return hub.load_trained(name, revision=revision, cache_dir=cache_dir)
