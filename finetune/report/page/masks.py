"""The masks of runs: a picture, and what attention under them is estimated to cost."""

import base64
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedConfig

from finetune.attention import Mask, Program
from finetune.attention.example_panels import LENGTH, example_features, example_panels
from finetune.attention.layout import Ragged
from finetune.attention.picture import save_picture
from finetune.attention.planning import Explanation, explain
from finetune.errors import UserError
from finetune.models.stored_config import attention_shape, read_config
from finetune.report.page.charts import Chart
from finetune.report.page.folders import ReportedRun
from finetune.report.page.tables import DataTable
from finetune.report.plans import ranges

_MOST_PANELS = 12
_MOST_PICTURES = 6
_MOST_TOKENS = 4_096
"""Number of tokens of the first batch for which the cost of attention is estimated."""
UNKNOWN_COST = (
    "What each layer costs is not known from the run folder alone; finetune explain computes it on the recipe's data."
)


@dataclass(frozen=True)
class MaskPicture:
    """The masks of one run, or of several that have the same.

    Args:
        runs: The letters of the runs.
        description: The masks as text.
        picture: The picture; None under the standard masks, or where none could be drawn.
        costs: The cost by layer; None where it is not known.
        note: A sentence that says why something is absent; empty if nothing is.
    """

    runs: tuple[str, ...]
    description: str
    picture: Chart | None
    costs: DataTable | None
    note: str = ""


def mask_pictures(runs: Sequence[ReportedRun]) -> list[MaskPicture]:
    """Return the masks of the runs, each program once."""
    groups: dict[str, list[ReportedRun]] = {}
    for run in runs:
        groups.setdefault(str(run.recipe.attention.program.to_config()), []).append(run)
    return [_drawn(group, is_drawn=number < _MOST_PICTURES) for number, group in enumerate(groups.values())]


def _drawn(runs: Sequence[ReportedRun], *, is_drawn: bool) -> MaskPicture:
    run, letters = runs[0], tuple(run.letter for run in runs)
    program, described = run.recipe.attention.program, run.recipe.attention.description
    if program.is_standard:
        note = "Every token attends to every other, in a decoder to itself and those before it."
        return MaskPicture(letters, described, None, None, note)
    try:
        config = read_config(str(run.folder / "model"))
        layers, heads = attention_shape(config)
        panels = example_panels(program, layers, heads)
    except (UserError, OSError, ValueError, AttributeError) as error:
        return MaskPicture(letters, described, None, None, f"The masks cannot be drawn: {_first_line(error)}")
    costs = _costs(run, program, config)
    note = "" if costs else UNKNOWN_COST
    if not is_drawn:
        return MaskPicture(letters, described, None, costs, f"Only {_MOST_PICTURES} programs are drawn. {note}".strip())
    if len(panels) > _MOST_PANELS:
        note = f"The first {_MOST_PANELS} of {len(panels)} different masks are drawn. {note}".strip()
    text = f"Which of {LENGTH} tokens may attend to which: {'; '.join(panel.title for panel in panels)}."
    with tempfile.TemporaryDirectory(prefix="finetune-report-") as folder:
        path = Path(folder) / "masks.svg"
        save_picture(panels[:_MOST_PANELS], path)
        source = "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
    return MaskPicture(letters, described, Chart(f"Masks of an example of {LENGTH} tokens", source, text), costs, note)


def _first_line(error: Exception) -> str:
    return error.problem if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def _costs(run: ReportedRun, program: Program, config: PreTrainedConfig) -> DataTable | None:
    """Return what attention costs by layer in the first batch, with made-up columns for the masks, as in the picture.

    Returns:
        The table; None where the lengths of the batch are not stored, its rows were padded, or there is a decoder.
    """
    lengths = run.part("padding").get("first_batch")
    if config.is_encoder_decoder or not isinstance(lengths, list) or not run.part("padding").get("ragged"):
        return None
    lengths = list(_first(lengths))
    layers, heads = attention_shape(config)
    layers_of: dict[Mask, list[int]] = {}
    for layer, mask in enumerate(program.by_layer("encoder", layers)):
        layers_of.setdefault(mask, []).append(layer)
    stream = _stream(program, lengths)
    head_dim = int(config.hidden_size) // heads
    rows = tuple(
        _cost_row(ranges(numbers), explain(mask, stream, stream, heads, head_dim=head_dim))
        for mask, numbers in layers_of.items()
    )
    headings = ("layers", "mask", "computed as", "allowed pairs", "computed pairs", "estimated time")
    note = "Pairs and time are shares of those of a batch that is padded to its longest example."
    caption = f"What attention costs in the first batch, {len(lengths):,} examples of {sum(lengths):,} tokens"
    return DataTable(caption, headings, rows, is_numeric=False, note=note) if lengths else None


def _first(lengths: Sequence[object]) -> Iterator[int]:
    total = 0
    for length in lengths:
        if not isinstance(length, int) or (total := total + length) > _MOST_TOKENS:
            return
        yield length


def _stream(program: Program, lengths: Sequence[int]) -> Ragged:
    """Return a stream of examples of these lengths, with the columns and values that the masks read."""
    features = [example_features(program, length) for length in lengths]
    columns = {name: torch.cat([one[name].long() for one in features]) for name in program.needs.columns if features}
    values = {name: torch.stack([one[name] for one in features]) for name in program.needs.values if features}
    return Ragged.from_lengths(lengths, columns, values)


def _cost_row(layers: str, cost: Explanation) -> tuple[str, ...]:
    time = f"{1 - cost.saving:.0%}"
    return layers, str(cost.mask), cost.kernel, f"{cost.allowed_share:.1%}", f"{cost.computed_share:.1%}", time
