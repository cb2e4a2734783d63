"""`FinishedRun`: the results of a run as Python objects."""

import html
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune import compose, log
from finetune.attention import Program
from finetune.errors import UserError
from finetune.library.inputs import predict
from finetune.recipe import Recipe
from finetune.serve import Predictor, find_recipe, load_predictor
from finetune.serve.predictions import FormattedPrediction

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class FinishedRun:
    """A run that was trained, evaluated on test and saved.

    The model is loaded from the folder when it is first used, onto the fastest device of the machine.

    Args:
        folder: The run folder.
        recipe: The recipe with all values resolved, as it is in the folder.
        results: Content of results.json: scores with their details, the best step, baselines.
    """

    folder: Path
    recipe: Recipe = field(repr=False)
    results: Mapping[str, Any] = field(repr=False)

    @property
    def scores(self) -> dict[str, float]:
        """The scores of the test split by name, with `loss` in nats per target."""
        return dict(self.results["test"])

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The 95% confidence intervals of the scores by name: the lower and the upper bound."""
        return {name: (low, high) for name, (low, high) in self.results.get("intervals", {}).items()}

    @cached_property
    def predictions(self) -> "pandas.DataFrame":
        """The test split with the model's predictions: columns id, input, reference, prediction, and others by task."""
        return _read_json_lines(self.folder / "predictions_test.jsonl")

    @cached_property
    def log_history(self) -> "pandas.DataFrame":
        """The entries of metrics.jsonl, a row each: step, epoch, train_loss, learning_rate, dev_..."""
        return _read_json_lines(self.folder / "metrics.jsonl")

    @property
    def model(self) -> PreTrainedModel:
        """The best checkpoint's model, in evaluation mode and under its masks."""
        return self._predictor.model

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the model."""
        return self._predictor.context.tokenizer

    @property
    def masks(self) -> Program:
        """The masks that the model was trained under."""
        return self.recipe.attention.program

    def predict(self, inputs: Iterable[Any]) -> list[Any]:
        """Return the prediction for each input, in the order of the inputs.

            run.predict(["A fine film."])                     # ["good"]: a class, or a list of them, or a number
            run.predict([("It works.", "It does.")])          # a task on pairs
            run.predict([["Oxford", "Street", "12"]])         # a list of labels for each list of words
            run.predict(frame)                                # a DataFrame with the columns of the training data

        Args:
            inputs: Texts, pairs of texts or lists of words, as the task reads them; or rows, as mappings or a
                DataFrame. They are predicted in batches, so that one call with many inputs is faster than many calls.

        Raises:
            UserError: The inputs do not have the form that the task reads, or some of them cannot be read.
        """
        return [answer["prediction"] for answer in self.predict_with_scores(inputs)]

    def predict_with_scores(self, inputs: Iterable[Any]) -> list[FormattedPrediction]:
        """Return for each input a mapping with its `prediction` and the model's confidence in it.

        The confidence is `probabilities` by class; for token classification the `probabilities` of each word's label
        and the `entities` that the labels form; for generated text `mean_log_probability`, in nats per token.

        Args:
            inputs: Texts, pairs of texts, lists of words, or rows, as for `predict`.

        Raises:
            UserError: The inputs do not have the form that the task reads, or some of them cannot be read.
        """
        with log.shown():
            return predict(self._predictor, inputs)

    @cached_property
    def _predictor(self) -> Predictor:
        return load_predictor(*find_recipe(str(self.folder)), scores=True)

    def __repr__(self) -> str:
        scores = ", ".join(f"{name}={value:.4g}" for name, value in self.scores.items())
        return f"FinishedRun({self.recipe.name!r}, {str(self.folder)!r}, test: {scores})"

    def _repr_html_(self) -> str:
        """Return the scores as an HTML table, which notebooks show."""
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{value:.4g}</td></tr>" for name, value in self.scores.items()
        )
        title = f"{html.escape(self.recipe.name)}: {html.escape(self.recipe.task.kind.replace('_', ' '))} with "
        model, folder = html.escape(self.recipe.model.description), html.escape(str(self.folder))
        return (
            f"<p><b>{title}{model}</b><br><code>{folder}</code></p>"
            f"<table><thead><tr><th>score</th><th>test</th></tr></thead><tbody>{rows}</tbody></table>"
        )


def open_run(folder: str | Path) -> FinishedRun:
    """Open a finished run.

    Args:
        folder: The run folder, `runs/<recipe>/<time>`.

    Raises:
        UserError: The folder is not a run folder, or the run is not finished.
    """
    path = Path(folder).expanduser()
    recipe, results = path / "recipe.yaml", path / "results.json"
    if not recipe.is_file():
        raise UserError(
            f"{path} is not the folder of a run",
            expected="a folder such as runs/<recipe>/<time>",
            found="no recipe.yaml in it" if path.is_dir() else "no such folder",
            fix="finetune.load(...) takes a model's folder, or a name on the Hub",
        )
    if not results.is_file():
        raise UserError(
            f"the run {path} is not finished",
            found="no results.json in it",
            fix=f'finetune.train(overrides={{"resume": "{path}"}})',
        )
    return FinishedRun(path, compose.load_recipe(str(recipe)), json.loads(results.read_text(encoding="utf-8")))


def _read_json_lines(path: Path) -> "pandas.DataFrame":
    """Return a file of JSON objects as a table.

    pandas.read_json is not used, because it would convert some texts to numbers or dates.
    """
    import pandas

    with path.open(encoding="utf-8") as file:
        return pandas.DataFrame([json.loads(line) for line in file])
