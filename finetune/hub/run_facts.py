"""The facts of a finished run that its model card shows, read from its folder."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from finetune import compose, tasks
from finetune.attention import Program
from finetune.checkpointing.run_folder import Environment, Results, read_json
from finetune.errors import UserError
from finetune.models.stored_config import read_config
from finetune.recipe import Model, Recipe
from finetune.recipe.changes import Changes
from finetune.recipe.data import DataSource
from finetune.tasks import Task
from finetune.tasks.mask_fields import PREFIX, needed_columns

SAMPLES: dict[str, tuple[str, ...]] = {
    "sentiment": ("en",),
    "address": ("en",),
    "interface": (),
    "licence": ("en",),
}
"""Languages of the data sets that finetune brings; empty where the task names them."""

HUB_NAME = re.compile(r"[\w\-][\w.\-]*(/[\w\-][\w.\-]*)?")


@dataclass(frozen=True)
class RunFacts:
    """A finished run, as its folder describes it.

    Args:
        folder: The run folder.
        recipe: The recipe, with all values resolved.
        results: Content of results.json.
        environment: Content of environment.json; empty if there is no such file.
        config: The configuration of the model.
        task: The recipe's task.
    """

    folder: Path
    recipe: Recipe
    results: dict[str, Any]
    environment: dict[str, Any]
    config: PreTrainedConfig
    task: Task

    @classmethod
    def read(cls, run: Path) -> "RunFacts":
        """Read the folder of a finished run.

        Raises:
            UserError: There is no finished run in the folder, or a file of it cannot be read.
        """
        needed = [run / "recipe.yaml", run / "results.json", run / "model" / "config.json"]
        if absent := [path.name for path in needed if not path.is_file()]:
            raise UserError(
                f"there is no finished run in {run}",
                expected="a folder runs/<recipe>/<time> with recipe.yaml, results.json and model/",
                found=f"no {', '.join(absent)}",
            )
        recipe = compose.load_recipe(str(run / "recipe.yaml"))
        environment, again = run / "environment.json", "restore it from a copy, or train the run again"
        without = "delete it: the card is written without package versions then"
        return cls(
            run,
            recipe,
            read_json(run / "results.json", Results, again),
            read_json(environment, Environment, without) if environment.is_file() else {},
            read_config(str(run / "model")),
            tasks.create(recipe),
        )

    @property
    def model(self) -> Path:
        """Path of the model folder."""
        return self.folder / "model"

    @property
    def program(self) -> Program:
        """The masks of the model."""
        return self.recipe.attention.program

    @property
    def changes(self) -> Changes:
        """What differs from the recipe that the run was started with."""
        return Changes.from_json(self.results.get("changed", {}))

    @cached_property
    def mask_features(self) -> tuple[str, ...]:
        """Columns and values that the masks read, and that the model cannot compute from its inputs."""
        columns = set(needed_columns(self.program))
        if getattr(self.config, "type_vocab_size", None):
            columns.discard("segment")  # its token_type_ids
        return (*sorted(columns), *sorted(self.program.needs.values))

    @property
    def given_features(self) -> tuple[str, ...]:
        """The mask features that must be columns of the rows to predict."""
        return tuple(field.column for field in self.task.input_fields if field.name.startswith(PREFIX))

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names in order; empty for a model that generates text."""
        names = self.config.id2label or {}
        return tuple(str(name) for _, name in sorted(names.items())) if self.recipe.task.head.has_labels else ()

    @property
    def is_adapter(self) -> bool:
        """Whether the model folder holds only an adapter."""
        return (self.model / "adapter_config.json").is_file()

    @property
    def base_model(self) -> str | None:
        """Hub name of the model that the run started from; None if that is not a model of the Hub."""
        return base_model(self.recipe.model)

    @property
    def start(self) -> str:
        """Short description of the model that the run started from; of a folder only the last part of its path."""
        model = self.recipe.model
        return self.base_model or (Path(model.name).name if model.name else model.description)

    @property
    def origins(self) -> tuple[DataSource, ...]:
        """The sources of the data."""
        return self.recipe.data.origins

    @property
    def datasets(self) -> tuple[DataSource, ...]:
        """The sources of the data that are on the Hub."""
        return tuple(origin for origin in self.origins if origin.is_of_hub)

    @property
    def data_name(self) -> str:
        """Name of the data; of local files and functions only the last part of the path."""
        return self.recipe.data.description

    @property
    def sample_languages(self) -> tuple[str, ...]:
        """Languages of the sources that are data sets of finetune; those of other packages are not known."""
        samples = [origin.sample for origin in self.origins if origin.is_of_package and origin.sample]
        return tuple(dict.fromkeys(language for sample in samples for language in SAMPLES.get(sample, ())))


def base_model(model: Model) -> str | None:
    """Return the Hub name of the model that a recipe starts from, or None if that is not a model of the Hub."""
    if model.sample is not None:
        return "sentence-transformers/all-MiniLM-L6-v2"
    of_hub = model.name is not None and HUB_NAME.fullmatch(model.name) and not Path(model.name).exists()
    return model.name if of_hub else None
