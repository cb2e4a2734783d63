"""What a finished run's folder says of itself, for its model card."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from finetune import compose, tasks
from finetune.attention import Program
from finetune.checkpointing.run_folder import Environment, Results, read_json
from finetune.data.samples import SampleName
from finetune.errors import UserError
from finetune.models.stored_config import read_config
from finetune.recipe import Model, Recipe
from finetune.recipe.data import DataSource
from finetune.tasks import Task
from finetune.tasks.mask_columns import BUILT_IN, needed_columns

SAMPLES: dict[SampleName, tuple[str, ...]] = {
    "sentiment": ("en",),
    "address": ("en",),
    "interface": (),
    "licence": ("en",),
}
"""Languages of the sample data sets, where the task does not name them."""

SAMPLE = "_sample"
HUB_NAME = re.compile(r"[\w\-][\w.\-]*(/[\w\-][\w.\-]*)?")


@dataclass(frozen=True)
class RunFacts:
    """A finished run.

    Args:
        folder: Its folder.
        recipe: The recipe, with everything resolved.
        results: results.json.
        environment: environment.json.
        config: The model's configuration.
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
        """Read them.

        Raises:
            UserError: There is no finished run in the folder, or a file of it is damaged.
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
        """The model's folder."""
        return self.folder / "model"

    @property
    def program(self) -> Program:
        """Its masks."""
        return self.recipe.attention.program

    @cached_property
    def mask_features(self) -> tuple[str, ...]:
        """What its masks read of examples that the model does not find out itself: columns and values."""
        columns = set(needed_columns(self.program))
        if getattr(self.config, "type_vocab_size", None):
            columns.discard("segment")  # its token_type_ids
        return (*sorted(columns), *sorted(self.program.needs.values))

    @property
    def given_features(self) -> tuple[str, ...]:
        """Those of them that rows must bring along, in columns of these names."""
        return tuple(name for name in self.mask_features if name not in BUILT_IN)

    @property
    def labels(self) -> tuple[str, ...]:
        """Its classes in order; empty where it generates text."""
        names = self.config.id2label or {}
        return tuple(str(name) for _, name in sorted(names.items())) if self.recipe.task.head.has_labels else ()

    @property
    def is_adapter(self) -> bool:
        """Whether the model's folder holds an adapter alone."""
        return (self.model / "adapter_config.json").is_file()

    @property
    def base_model(self) -> str | None:
        """Hub name of the model that it started from; None where that is no model of the Hub."""
        return base_model(self.recipe.model)

    @property
    def start(self) -> str:
        """The model that it started from, in a few words; of a folder no more than the last part of the path."""
        model = self.recipe.model
        return self.base_model or (Path(model.name).name if model.name else model.description)

    @property
    def origins(self) -> tuple[DataSource, ...]:
        """Where its data come from."""
        data = self.recipe.data
        return data.sources or (data,)

    @property
    def datasets(self) -> tuple[DataSource, ...]:
        """Those of its data sets that are on the Hub."""
        return tuple(origin for origin in self.origins if origin.is_of_hub)

    @property
    def data_name(self) -> str:
        """What the data are called; of local files and functions no more than the last part of the path."""
        return ", ".join(map(_name, self.origins))

    @property
    def sample_languages(self) -> tuple[str, ...]:
        """Languages of the sample data set, if it is one."""
        samples = [origin.sample for origin in self.origins if _name(origin).endswith(SAMPLE)]
        return tuple(dict.fromkeys(language for sample in samples if sample for language in SAMPLES[sample]))


def _read_config(model: Path) -> PreTrainedConfig:
    try:
        return read_config(str(model))
    except Exception as error:  # transformers and its data classes refuse values with errors of many kinds
        raise UserError(
            "the configuration of the run's model cannot be read",
            where=str(model / "config.json"),
            expected="a configuration as save_pretrained writes it",
            found=" ".join(str(error).split())[:200],
            fix="restore it from a copy, or train the run again",
        ) from error


def base_model(model: Model) -> str | None:
    """Hub name of the model that a recipe starts from; None where that is no model of the Hub."""
    if model.sample is not None:
        return "sentence-transformers/all-MiniLM-L6-v2"
    of_hub = model.name is not None and HUB_NAME.fullmatch(model.name) and not Path(model.name).exists()
    return model.name if of_hub else None


def _name(origin: DataSource) -> str:
    if origin.function is not None:
        return Path(origin.function).name
    if origin.path is not None:
        paths = [origin.path] if isinstance(origin.path, str) else origin.path
        return ", ".join(Path(path).name for path in paths)
    return origin.name or f"{origin.sample}{SAMPLE}"
