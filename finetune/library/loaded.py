"""`load`: a saved model from a run, a folder or the Hub, ready to predict."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from finetune import hub, log
from finetune.errors import UserError
from finetune.library.inputs import predict
from finetune.recipe import Recipe
from finetune.serve import Predictor, find_recipe, make_predictor
from finetune.serve.model_location import PLACES, check_place, newest_run
from finetune.serve.predictions import FormattedPrediction


class LoadedModel(hub.TrainedModel):
    """A saved model with its tokenizer and its masks: `model, tokenizer, masks = finetune.load(...)`.

    It predicts like a finished run. The model is on the CPU until the first prediction moves it to the fastest device
    of the machine.
    """

    name: str
    """The name by which the model was loaded: a name on the Hub, or a folder."""

    def predict(self, inputs: Iterable[Any]) -> list[Any]:
        """Return the prediction for each input, as `FinishedRun.predict` does."""
        return [answer["prediction"] for answer in self.predict_with_scores(inputs)]

    def predict_with_scores(self, inputs: Iterable[Any]) -> list[FormattedPrediction]:
        """Return for each input the prediction with its confidence, as `FinishedRun.predict_with_scores` does."""
        with log.shown():
            return predict(self._predictor, inputs)

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe of the model, or one that is made for the model's class if it was saved without a recipe."""
        return find_recipe(self.name)[1]

    @cached_property
    def _predictor(self) -> Predictor:
        return make_predictor(self.model, self.tokenizer, self.recipe, scores=True)


def load(name: str | Path, *, revision: str = "main", cache_dir: Path | None = None) -> LoadedModel:
    """Load a model that finetune saved, under the masks that it was trained with.

        model, tokenizer, masks = finetune.load("user/name")
        finetune.load("runs/sst2/2026-01-31_12-00-00").predict(["A fine film."])

    Code that comes with the model is not run: the masks are read from its configuration. Weights are read in the
    safetensors format alone, into float32 on the CPU.

    Args:
        name: A name on the Hub, the folder of a model, or a run folder.
        revision: Branch, tag or commit on the Hub.
        cache_dir: Folder for downloads; None uses the cache of the Hub's client.

    Raises:
        UserError: There is no such model, it was not trained for a known task, or it does not support its masks.
    """
    name = str(Path(name).expanduser()) if str(name).startswith("~") else str(name)
    check_place(name)
    with log.shown():
        try:
            loaded = LoadedModel(*hub.load_trained(name, revision=revision, cache_dir=cache_dir))
        except UserError as error:
            raise error if Path(name).exists() or error.where != f"name={name}" else _not_found(name, error) from error
    loaded.name = name
    return loaded


def _not_found(name: str, error: UserError) -> UserError:
    """Return the error for a name that is no folder, with what the Hub says of it."""
    fixes = [f"did you mean {run}?" if (run := newest_run(name)) else "check the spelling of the folder or the name"]
    if error.fix and "data.path" not in error.fix:  # ways of a recipe to other data are none here
        fixes.append(error.fix)
    return UserError(
        f"there is no folder {name}, and {error.problem}",
        expected=PLACES,
        found="; ".join(filter(None, [f"no folder {Path(name).absolute()}", error.found])),
        fix=", or ".join(fixes),
    )
