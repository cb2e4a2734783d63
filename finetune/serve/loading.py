"""Load a trained model with its recipe, tokenizer and masks."""

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from finetune import compose, models, recipe, tasks
from finetune.attention import pretrained
from finetune.errors import UserError
from finetune.hardware.matmul import choose_matmul
from finetune.hardware.precision import choose_precision
from finetune.models.broken import one_message
from finetune.models.quiet import quiet
from finetune.models.source import model_source
from finetune.models.stored_config import read_config
from finetune.recipe import Recipe
from finetune.serve.model_location import ModelLocation, check_overrides, find_model
from finetune.serve.predictor import Predictor
from finetune.tasks import Task, TaskContext
from finetune.tasks.problem_types import PROBLEM_TYPES
from finetune.training.masks import apply_masks

USUAL_LENGTH = 512
"""The longest input, in tokens, if neither the model nor its tokenizer has a limit."""


def find_recipe(
    name: str, kind: str | None = None, overrides: Mapping[str, Any] | None = None
) -> tuple[ModelLocation, Recipe]:
    """Return where a model is, and the recipe that it predicts by.

    That is the recipe that the model was trained by, or one that is made for the model's class if there is none.

    Args:
        name: The folder of a run, of a run's model or checkpoint, or of any model; or a name on the Hub.
        kind: The task; needed only if neither a recipe nor the model's class says what the model was trained for.
        overrides: Other values of keys of the recipe, as on the command line.

    Raises:
        UserError: There is no such model, its task is not known, or a key is wrong.
    """
    given = dict(overrides or {})
    check_overrides(given)
    origin = find_model(name)
    with one_message(origin.model):
        own = origin.recipe or _made_recipe(origin.model, kind)
        if origin.recipe is not None:
            _check_masks(origin.model, own)
    head = tasks.create(own).head
    if kind not in (None, head, own.task.kind):
        raise UserError(f"the model is for {head.replace('_', ' ')}", where=f"--task {kind}", fix="leave --task out")
    if given.get("training.precision") is None and own.training.precision != "fp32":
        given["training.precision"] = "auto"  # the precision of the training machine may be slow or missing on this one
    return origin, compose.override(own, {"training.fp32_matmul": "auto", **given})


def load_predictor(origin: ModelLocation, own: Recipe, *, scores: bool = False) -> Predictor:
    """Load a model for prediction on the fastest device of this machine.

    Args:
        origin: Where the model is.
        own: The recipe that it predicts by.
        scores: Whether predictions have probabilities or other scores.

    Raises:
        UserError: The model cannot be loaded, or its head was never trained.
    """
    with one_message(origin.model):
        model, tokenizer = _load(origin, tasks.create(own))
        return make_predictor(model, tokenizer, own, scores=scores)


def make_predictor(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, own: Recipe, *, scores: bool = False
) -> Predictor:
    """Return a predictor with a model that is loaded; the model is moved to the fastest device of this machine.

    Args:
        model: The model, in evaluation mode, with its masks applied.
        tokenizer: The model's tokenizer.
        own: The recipe that the model predicts by.
        scores: Whether predictions have probabilities or other scores.

    Raises:
        UserError: A length of the recipe is more than the model allows, or this machine lacks the recipe's precision.
    """
    task = tasks.create(own)
    precision = choose_precision(own.training.precision)
    accelerator = precision.accelerator()
    labels = labels_of(task, model.config)
    for key, length in task.lengths.items():
        models.check_length(model.config, length, key)
    computes_fp32_on_cpu = precision.name == "fp32" and accelerator.device.type == "cpu"
    matmul = choose_matmul(
        own.training.fp32_matmul,
        model,
        computes_fp32_on_cpu=computes_fp32_on_cpu,
        is_tuned=own.training.cpu_tuning,
    )
    model.to(accelerator.device)
    ragged = own.training.layout == "ragged" and pretrained.reads_streams(model)
    context = TaskContext(tokenizer, model.config, labels, ragged)
    return Predictor(task, context, model, accelerator, precision, matmul, scores=scores)


def _load(origin: ModelLocation, task: Task) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model with its masks, and its tokenizer."""
    saved = recipe.Model(name=origin.model)
    config = config_of(origin.model)
    tokenizer = models.load_tokenizer(saved, lambda: (), split_words=task.reads_words)
    labels = labels_of(task, config)
    problem = PROBLEM_TYPES["regression"].name if labels is not None and len(labels) == 1 else None
    model = models.load_model(saved, task.head, tokenizer, labels=labels, seed=0, problem_type=problem, is_trained=True)
    apply_masks(model, task.program, tokenizer)
    return model, tokenizer


def config_of(name: str) -> PreTrainedConfig:
    """Return the configuration of a model, by its folder or its name on the Hub.

    Raises:
        UserError: It cannot be read.
    """
    source = model_source(recipe.Model(name=name))
    with quiet(), source.access():
        return read_config(source.path, **source.options)


def _made_recipe(name: str, kind: str | None) -> Recipe:
    """Return a recipe for a model that comes without one.

    Raises:
        UserError: Neither the model's class nor `kind` says the task.
    """
    config = config_of(name)
    kind = _kind_of(config) or kind
    section = None if kind is None else recipe.find_task(kind)
    if section is None:
        ends = [end for head in recipe.heads().values() for end in head.architectures]
        raise UserError(
            f"it is not known what {name} was trained for",
            expected="a model whose class ends in " + ", ".join(ends),
            found=", ".join(config.architectures or ()) or "no class in its configuration",
            fix="--task names it: " + ", ".join(recipe.heads()),
        )
    tokenizer = models.load_tokenizer(recipe.Model(name=name), lambda: ())
    limits = (models.max_positions(config), tokenizer.model_max_length, USUAL_LENGTH)
    longest = min(limit for limit in limits if limit is not None)
    return Recipe(
        task=section.model_validate({"kind": kind, section.input_length: longest}),
        model=recipe.Model(name=name),
        data=recipe.Data(path="-"),
        attention=_saved_attention(config),
    )


def _check_masks(name: str, own: Recipe) -> None:
    """Raise an error if the model's configuration holds other masks than its recipe.

    Raises:
        UserError: They differ, or the configuration cannot be read.
    """
    saved = pretrained.saved_masks(config_of(name))
    if saved is not None and saved[0] != own.attention.program:
        raise UserError(
            f"{name} has other masks in its configuration than in the recipe beside it",
            expected="the masks that the model was trained under, in both",
            found=f"{saved[0].to_config()} in config.json, {own.attention.program.to_config()} in recipe.yaml",
            fix="take the recipe.yaml of another model out of the folder",
        )


def _saved_attention(config: PreTrainedConfig) -> recipe.Attention:
    saved = pretrained.saved_masks(config)
    return recipe.Attention() if saved is None else recipe.Attention.model_validate(saved[0].to_config())


def _kind_of(config: PreTrainedConfig) -> str | None:
    """Return the kind of task that a model's class has the head for; None if it has no head of a known task."""
    found = (recipe.head_of_class(name) for name in config.architectures or ())
    return next((head.name for head in found if head is not None), None)


def labels_of(task: Task, config: PreTrainedConfig) -> tuple[str, ...] | None:
    """Return the classes of a model in order; None for a task without classes."""
    names = sorted((config.id2label or {}).items())
    return tuple(str(name) for _, name in names) if task.label_field else None
