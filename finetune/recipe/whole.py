"""`Recipe`: a whole run."""

from pathlib import Path

from pydantic import NonNegativeInt

from finetune.recipe.attention import Attention
from finetune.recipe.data import Data
from finetune.recipe.evaluation import Evaluation
from finetune.recipe.model import Model
from finetune.recipe.section import Section
from finetune.recipe.task import Task
from finetune.recipe.training import Training


class Recipe(Section):
    """A run: data, model, task, masks and training."""

    name: str = ""
    """Names the run's folder; the module's name where not given."""
    summary: str = ""
    """One line for `finetune list`; the first line of the module's docstring where not given."""
    task: Task
    model: Model
    data: Data
    attention: Attention = Attention()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    seed: NonNegativeInt = 42
    """Fixes initialisation, order and dropout."""
    output_dir: Path = Path("runs")
    """The run's folder is made in <output_dir>/<name>/."""
