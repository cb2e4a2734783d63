"""The source of a pretrained model or tokenizer: a name on the Hub, a folder, or a sample."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune import recipe
from finetune.errors import UserError
from finetune.hub_access import hub_access


@dataclass(frozen=True)
class PretrainedSource:
    """The source of a model or tokenizer for `from_pretrained`.

    Args:
        path: A name on the Hub, or a folder.
        key: The recipe key that names it.
        revision: The branch, tag or commit on the Hub.
        cache_dir: The folder in which downloads are kept; the Hub's own cache folder where None.
    """

    path: str
    key: str
    revision: str
    cache_dir: Path | None

    @property
    def is_folder(self) -> bool:
        """Whether the source is a folder on this machine."""
        return Path(self.path).is_dir()

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of `from_pretrained`. Code that comes with a model is never run."""
        return {"revision": self.revision, "cache_dir": self.cache_dir, "trust_remote_code": False}

    def files(self) -> str:
        """Return the names of the first files in the folder, for a message."""
        return ", ".join(sorted(path.name for path in Path(self.path).iterdir())[:10]) or "an empty folder"

    @contextmanager
    def access(self) -> Iterator[None]:
        """Load inside this block: failures of the Hub are raised as `UserError`."""
        with hub_access("model", self.path, self.key):
            yield


def model_source(model: recipe.Model) -> PretrainedSource:
    """Return the source of a recipe's model.

    Raises:
        UserError: The named folder does not exist or holds no model, or the sample cannot be downloaded.
    """
    if model.name is None:
        from finetune.samples.minilm import minilm_folder  # imported here, since other models do without it

        return PretrainedSource(str(minilm_folder()), "model.sample", "main", None)
    source = _source(model.name, "model.name", model.revision, model.cache_dir)
    if source.is_folder and not (Path(source.path) / "config.json").is_file():
        raise _no_model(source)
    return source


def tokenizer_source(model: recipe.Model) -> PretrainedSource:
    """Return the source of a recipe's tokenizer.

    Raises:
        UserError: The named folder does not exist, or the sample cannot be downloaded.
    """
    if model.tokenizer is None:
        return model_source(model)
    return _source(model.tokenizer, "model.tokenizer", "main", model.cache_dir)


def base_source(name: str, key: str, revision: str, cache_dir: Path | None) -> PretrainedSource:
    """Return the source of the base model of an adapter, as the adapter's configuration names it.

    Raises:
        UserError: The named folder does not exist.
    """
    return _source(name, key, revision, cache_dir)


def _source(name: str, key: str, revision: str, cache_dir: Path | None) -> PretrainedSource:
    source = PretrainedSource(str(Path(name).expanduser()) if name.startswith("~") else name, key, revision, cache_dir)
    if (name.startswith(("./", "../", "/", "~")) or Path(name).exists()) and not source.is_folder:
        raise UserError(f"there is no folder {source.path}", where=f"{key}={name}", fix=f"correct {key}")
    return source


def _no_model(source: PretrainedSource) -> UserError:
    folder = Path(source.path)
    inside = next((path.parent for path in sorted(folder.glob("*/config.json"))), None)
    return UserError(
        f"the folder {folder} holds no model",
        expected="config.json and model.safetensors, as save_pretrained writes them",
        found=source.files(),
        where=f"{source.key}={folder}",
        fix=f"did you mean {source.key}={inside}?" if inside else f"correct {source.key}",
    )
