"""Draws the attention weights of a finished run's model."""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerBase

from finetune import compose, models, tasks
from finetune.attention import Mask
from finetune.attention.drawing import Panel, causal_note
from finetune.attention.program import SiteName
from finetune.errors import UserError
from finetune.generation import generate
from finetune.models.stored_config import read_config
from finetune.recipe import Model, Recipe
from finetune.report.drawings import Axis, check_picture, draw_panels
from finetune.tasks import Task
from finetune.tasks.text_to_text import TextToTextTask
from finetune.training.masks import apply_masks


def draw_weights(
    run: Path,
    text: str,
    *,
    pair: str | None = None,
    site: SiteName = "encoder",
    layer: int = -1,
    head: int | Literal["mean"] | None = None,
    picture: Path | None = None,
) -> str:
    """Draw the attention weights of a finished run's model, with one panel for each head.

    Pairs that the mask excludes are left blank in the drawing, and hatched in the picture.

    Args:
        run: The folder of the run.
        text: The text that the model reads.
        pair: A second text, or None.
        site: The site of the attention. For decoder and cross, the model first generates an output greedily.
        layer: The layer, from 0; negative numbers count from the last layer.
        head: The only head to draw, from 0, where negative numbers count from the last head; or "mean" for the mean
            over all heads; None for all heads.
        picture: The path of a picture to write in addition; None for none.

    Returns:
        The drawing as text.

    Raises:
        UserError: There is no finished run in the folder, the text is too long, the model does not read pairs, it has
            no such site, layer or head, or the picture cannot be written.
    """
    if picture is not None:
        check_picture(picture)
    recipe = _recipe(run)
    task = tasks.create(recipe)
    model, tokenizer = _load(run, recipe, task)
    words = task.reads_words
    if pair is not None and not task.reads_pairs:
        raise UserError("the run's model reads one text, not a pair", where="--text-pair", fix="leave it out")
    models.check_length(model.config, len(tokenizer(_prefix(task) + text, pair)["input_ids"]), "--text")
    encoding = tokenizer(
        [text.split()] if words else [_prefix(task) + text], None if pair is None else [pair], is_split_into_words=words
    )
    axis = Axis.of_encoding(encoding, tokenizer, task.program)
    inputs = _inputs(encoding, axis, tokenizer)
    with torch.inference_mode():
        if site == "encoder":
            layers, queries = _encoder(model)(**inputs, output_attentions=True).attentions, axis
        else:
            layers, queries = _decoder_weights(model, inputs, tokenizer, site, task)
    keys = queries if site == "decoder" else axis
    weights = _layer(layers, layer)  # [heads, queries, keys]
    mask = task.program.for_layer(site, layer % len(layers), len(layers))
    written = task.program.written_by_layer(site, len(layers))[layer]
    panels = _panels(weights, mask, written, queries, keys, f"{site}, layer {layer % len(layers)}", head)
    return draw_panels(panels, queries.tokens, keys.tokens, picture=picture)


def _panels(
    weights: Tensor,
    mask: Mask,
    written: Mask,
    queries: Axis,
    keys: Axis,
    where: str,
    head: int | Literal["mean"] | None,
) -> list[Panel]:
    """Return the panels of a layer's heads.

    Args:
        weights: Attention weights [heads, queries, keys].
        mask: The mask of the layer.
        written: The same mask as it is written in the program, to which causal() may have been added.
        queries: The tokens of the queries.
        keys: The tokens of the keys.
        where: The beginning of every title.
        head: The only head, "mean", or None for all heads.

    Raises:
        UserError: There is no such head.
    """
    count = len(weights)
    in_cross = keys is not queries
    lengths = (queries.length, keys.length if in_cross else None)
    allowed = mask.dense(*lengths, count, queries.features, keys.features if in_cross else None)
    if head == "mean":
        title = _title(where, f"mean of {count} heads", causal_note(mask, [written], range(count), count))
        return [Panel(f"{title}: {mask}", weights.mean(0), allowed.any(0))]
    if head is not None and not -count <= head < count:
        raise UserError(f"there is no head {head}", expected=f"0 to {count - 1}, or -1 for the last", where="--head")
    chosen = range(count) if head is None else [head % count]
    panels = []
    for number in chosen:
        title = _title(where, f"head {number}", causal_note(mask, [written], [number], count))
        panels.append(Panel(f"{title}: {mask.at_head(number, count)}", weights[number], allowed[number]))
    return panels


def _title(*places: str) -> str:
    return ", ".join(filter(None, places))


def _recipe(run: Path) -> Recipe:
    path = run / "recipe.yaml"
    if not path.is_file() or not (run / "model").is_dir():
        raise UserError(
            f"{run} holds no finished run",
            expected="a folder with recipe.yaml and model/, as finetune run leaves it",
            fix="give the folder of a run that is finished, such as runs/<recipe>/<time>",
        )
    return compose.load_recipe(str(path))


def _load(run: Path, recipe: Recipe, task: Task) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    saved = Model(name=str(run / "model"))
    tokenizer = models.load_tokenizer(saved, lambda: (), split_words=task.reads_words)
    labels = _labels(run) if task.label_field else None
    model = models.load_model(saved, task.head, tokenizer, labels=labels, seed=recipe.seed, is_trained=True)
    model = models.merge_adapter(model)
    apply_masks(model, task.program, tokenizer)
    return model, tokenizer


def _labels(run: Path) -> tuple[str, ...]:
    """Return the labels of the run's model in the order of their ids."""
    names = read_config(str(run / "model")).id2label or {}
    return tuple(str(label) for _, label in sorted(names.items()))


def _prefix(task: Task) -> str:
    return str(getattr(task, "prefix", ""))


def _inputs(encoding: BatchEncoding, axis: Axis, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Return the arguments of the model: tensors [1, tokens], and the columns that it does not find by itself."""
    names = [name for name in tokenizer.model_input_names if name in encoding]
    # The model finds special tokens in the ids, and segments in token_type_ids.
    columns = {
        name: values[None]
        for name, values in axis.features.items()
        if isinstance(values, Tensor)
        and not name.startswith("is_")
        and not (name == "segment" and "token_type_ids" in encoding)
    }
    inputs: dict[str, Any] = {name: torch.tensor(encoding[name]) for name in names}
    return inputs | ({"mask_features": columns} if columns else {})


def _encoder(model: PreTrainedModel) -> Any:
    return model.get_encoder() if model.config.is_encoder_decoder else model.base_model


def _decoder_weights(
    model: PreTrainedModel, inputs: dict[str, Any], tokenizer: PreTrainedTokenizerBase, site: SiteName, task: Task
) -> tuple[tuple[Tensor, ...], Axis]:
    """Generate a text greedily, and return the weights of each layer [1, heads, queries, keys] and the text's axis.

    Raises:
        UserError: The model does not write text.
    """
    if not model.config.is_encoder_decoder or not model.can_generate():
        raise UserError(f"the run's model has no {site} that writes text", expected="encoder", where="--site")
    encoded = model.get_encoder()(**inputs)
    mask = inputs["attention_mask"]
    prompt = task.prompt_ids(tokenizer) if isinstance(task, TextToTextTask) else []
    options: dict[str, Any] = {}
    if prompt:
        options["decoder_input_ids"] = torch.tensor([[model.config.decoder_start_token_id, *prompt]])
    ids = generate(model, encoded, mask, max_new_tokens=64, **options)[:, :-1]
    # The last token is not an input of the decoder while the text is generated, so it is no query.
    output = model(
        encoder_outputs=encoded, attention_mask=mask, decoder_input_ids=ids, output_attentions=True, use_cache=False
    )
    layers = output.decoder_attentions if site == "decoder" else output.cross_attentions
    return layers, Axis.of_ids(ids[0], tokenizer)


def _layer(layers: tuple[Tensor, ...], layer: int) -> Tensor:
    """Return the weights of one layer for the first row of a batch, [heads, queries, keys]."""
    if not -len(layers) <= layer < len(layers):
        expected = f"0 to {len(layers) - 1}, or -1 for the last"
        raise UserError(f"there is no layer {layer}", expected=expected, where="--layer")
    return layers[layer][0].float()
