"""`Recipe`: the description of a whole run."""

from pathlib import Path
from typing import Self

from pydantic import PrivateAttr, field_validator, model_validator

from finetune.recipe.adapter import Adapter
from finetune.recipe.attention import Attention
from finetune.recipe.base import Section, Seed
from finetune.recipe.changes import Changes
from finetune.recipe.code import FileKeys
from finetune.recipe.data import Data
from finetune.recipe.evaluation import Evaluation
from finetune.recipe.hub import Hub
from finetune.recipe.model import Model
from finetune.recipe.task import TextToText
from finetune.recipe.task_registry import AnyTaskSection
from finetune.recipe.training import Training

_NOT_IN_NAMES = frozenset('/\\:*?"<>|')
"""Separators of paths, and characters that Windows does not allow in the name of a folder."""
_LONGEST_NAME = 100
"""Characters."""


class Recipe(Section):
    """A run: data, model, task, masks and training."""

    name: str = ""
    """The name of the recipe and of the folder of its runs; a single name, not a path. The default is the name of the
    recipe's module or file."""
    summary: str = ""
    """One line that `finetune list` shows. The default is the first line of the module's docstring."""
    task: AnyTaskSection
    """What the model learns. The keys of this section depend on `task.kind`."""
    model: Model
    """The model to start from: a pretrained one by name or folder, or one from scratch."""
    data: Data
    """Where examples come from: a Python function, files, a data set on the Hub, a sample, or several of these."""
    adapter: Adapter | None = None
    """An adapter that is trained while the model's own weights stay as they are. By default all weights are trained."""
    attention: Attention = Attention()
    """Who may attend to whom, as masks written as expressions, by site."""
    training: Training = Training()
    """How the weights are trained."""
    evaluation: Evaluation = Evaluation()
    """How models are scored."""
    hub: Hub = Hub()
    """Publishing on the Hugging Face Hub, and what the model card cannot learn from the run."""
    seed: Seed = 42
    """The seed of new weights, of the order of examples and of dropout."""
    resume: str | None = None
    """The folder of a run that ended early and is to be continued; auto continues the newest unfinished run of this
    recipe, or begins one where there is none. By default a new run begins."""
    output_dir: Path = Path("runs")
    """The folder in which runs are kept. A run's folder is made in `<output_dir>/<name>/`."""
    allow_code: bool = False
    """Whether code that a recipe in YAML names (`data.function`, a function as `data.filter`, a metric by path or from
    the Hub in `evaluation.metrics`) is run. It counts on the command line or as an override of `finetune.train`, and
    not in the file itself."""

    _file_keys: FileKeys = PrivateAttr(default=FileKeys())
    _changes: Changes = PrivateAttr(default=Changes())

    @property
    def changes(self) -> Changes:
        """The keys that were overridden, with the values of the recipe that was named and those of this one."""
        return self._changes

    def with_changes(self, changes: Changes) -> Self:
        """Return a copy of the recipe that says what was changed."""
        copied = self.model_copy()
        copied._changes = changes
        return copied

    @property
    def file_keys(self) -> FileKeys:
        """The keys that may name code and were read from a YAML file, not given by the user."""
        return self._file_keys

    def with_file_keys(self, file_keys: FileKeys) -> Self:
        """Return a copy of the recipe that says which of its keys were read from a file."""
        copied = self.model_copy()
        copied._file_keys = file_keys
        return copied

    @field_validator("name")
    @classmethod
    def _names_one_folder(cls, name: str) -> str:
        if problem := name_problem(name):
            raise ValueError(f"{problem}: {name!r}; it names a folder in output_dir: letters, digits, - and _, say")
        return name

    @model_validator(mode="after")
    def _prompt_fits(self) -> Self:
        has_prompt = isinstance(self.task, TextToText) and bool(self.task.target_prompt)
        if has_prompt and self.adapter is not None and self.adapter.kind == "prefix_tuning":
            raise ValueError(
                "prefix tuning puts keys before the target, after which no task.target_prompt can be written: take "
                "adapter.kind=lora or ia3, or no prompt"
            )
        return self

    @model_validator(mode="after")
    def _adapter_fits(self) -> Self:
        if self.adapter is None:
            return self
        if self.model.scratch is not None:
            raise ValueError("adapter is for pretrained models (model.name), not for random weights (model.scratch)")
        if self.training.freeze:
            raise ValueError(
                "with an adapter all weights but its own and the head's are frozen: set training.freeze=[]"
            )
        if self.adapter.kind == "prefix_tuning" and not self.attention.program.is_standard:
            raise ValueError(
                "prefix tuning puts keys before the text, of which masks know nothing: take adapter.kind=lora or ia3, "
                "or no attention masks"
            )
        return self


def name_problem(name: str) -> str | None:
    """Return why a run's folder cannot have this name, or None where it can.

    An empty name is allowed: it stands for the name of the recipe's module.
    """
    if any(character in _NOT_IN_NAMES or not character.isprintable() for character in name):
        return "the name holds a slash, a line break or another character that no folder's name may have"
    if name.startswith(".") or name != name.strip() or name.endswith("."):
        return "the name begins or ends with a dot or a space"
    return f"the name has more than {_LONGEST_NAME} characters" if len(name) > _LONGEST_NAME else None
