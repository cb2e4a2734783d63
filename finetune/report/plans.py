"""Explains how attention will be computed in a run: the mask and kernel of each layer, and the saving."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.table import Table

from finetune.attention import pretrained
from finetune.attention.masks import full
from finetune.attention.planning import Explanation, PlanError, explain
from finetune.attention.planning.strategies import WHOLE
from finetune.attention.pretrained.families import find_stacks
from finetune.attention.pretrained.tokens import MaskRequest
from finetune.attention.program import CAUSAL_ADDED, SiteName
from finetune.errors import UserError
from finetune.progress import silenced
from finetune.recipe import Recipe
from finetune.tasks import Batch
from finetune.tasks.visibility import View, hidden_text
from finetune.training import prepare
from finetune.training.run import Run


@dataclass(frozen=True)
class LayerPlan:
    """The plan of the layers of a site that have the same mask.

    Args:
        site: The site.
        layers: The layers, ascending.
        explanation: The mask, the kernel and the numbers of pairs.
        causal_added: Whether the program's mask does not name causal(), so that it was added.
    """

    site: str
    layers: tuple[int, ...]
    explanation: Explanation
    causal_added: bool = False

    @property
    def heading(self) -> str:
        """The site, and whether its masks were also made causal."""
        return f"{self.site}, {CAUSAL_ADDED}" if self.causal_added else self.site

    def sentences(self) -> Iterator[str]:
        """Yield what the explanation says, as sentences."""
        plan = self.explanation
        yield f"It is computed as {plan.kernel}."
        shares = f"the mask allows {plan.allowed_share:.1%} and {plan.computed_share:.1%} are computed"
        yield f"Of the {plan.padded_pairs:,} pairs of a layer in padded rows, {shares}."
        if plan.kernel == str(WHOLE) and plan.mask.boolean != full():
            yield "Pairs that the mask excludes are computed, too, since each example is computed whole."
        if plan.mask.terms:
            yield f"{', '.join(map(str, plan.mask.terms))}: added to the scores of allowed pairs before the softmax."
        yield f"Attention is estimated to take {_compared(plan.saving)} padded rows."


def _compared(saving: float) -> str:
    """Return how long attention takes in comparison: "12% less time than in"."""
    share = f"{abs(saving):.0%}"
    if share == "0%":
        return "as much time as in"
    return f"{share} {'less' if saving > 0 else 'more'} time than in"


@dataclass(frozen=True)
class Plans:
    """The plans of a batch.

    Args:
        examples: Number of examples in the batch.
        tokens: Number of tokens in the batch, of sources and targets.
        longest: Number of tokens of the longest input.
        layers: The plans, by site and mask.
        views: Which tokens can influence what the model's head reads, for a few examples; empty under the standard
            masks.
        warnings: Warnings about text that the masks hide from the model's head.
    """

    examples: int
    tokens: int
    longest: int
    layers: tuple[LayerPlan, ...]
    views: tuple[View, ...] = ()
    warnings: tuple[UserError, ...] = ()

    def table(self) -> Table:
        """Return the plans as a table.

        Pairs are counted over all heads of one layer. `allowed` and `computed` are shares of the padded pairs; `time`
        is the estimated time of attention in comparison with padded rows.
        """
        table = Table(title=f"{self.examples} examples, {self.tokens:,} tokens, the longest {self.longest}", box=None)
        for heading in ("site", "layers", "mask", "kernel"):
            table.add_column(heading)
        for heading in ("padded pairs", "allowed", "computed", "time"):
            table.add_column(heading, justify="right")
        for layer in self.layers:
            plan = layer.explanation
            table.add_row(
                layer.heading,
                ranges(layer.layers),
                str(plan.mask),
                plan.kernel,
                f"{plan.padded_pairs:,}",
                f"{plan.allowed_share:.1%}",
                f"{plan.computed_share:.1%}",
                _compared(plan.saving).split(" time")[0],
            )
        return table

    def sentences(self) -> Iterator[str]:
        """Yield the plans as lines of text, without line breaks inside sentences."""
        yield f"The first batch has {self.examples:,} examples and {self.tokens:,} tokens, the longest {self.longest}."
        for layer in self.layers:
            layers = "layer" if len(layer.layers) == 1 else "layers"
            yield f"{layer.heading}, {layers} {ranges(layer.layers)}: {layer.explanation.mask}"
            for sentence in layer.sentences():
                yield f"  {sentence}"
        if any(layer.explanation.saving < 0 for layer in self.layers):
            yield "This is of attention alone: all other parts of the model compute no padding and save that time."

    def reach_table(self) -> Table | None:
        """Return a table of the number of tokens that reach what the model's head reads, after each layer.

        A row shows the position with the median share, among all positions that the head reads in the examples.

        Returns:
            The table, or None under the standard masks, where all tokens reach the head.
        """
        if not self.views:
            return None
        title = f"tokens that reach {self.views[0].reader}, median of {len(self.views)} examples"
        table = Table(title=title, min_width=len(title), box=None)
        table.add_column("site")
        for heading in ("after layers", "tokens", "of"):
            table.add_column(heading, justify="right")
        for site in self.views[0].final:
            for layers, reached, available in _reach(self.views, site):
                table.add_row(site, ranges(layers), f"{reached:,}", f"{available:,}")
        return table


def explain_recipe(recipe: Recipe) -> Plans:
    """Return the plans of a recipe's first training batch. Nothing is trained, and no run folder is left.

    Args:
        recipe: The recipe.

    Raises:
        UserError: The recipe cannot be run, its batches are padded, or its kernel does not run on this device.
    """
    with tempfile.TemporaryDirectory(prefix="finetune-explain-") as folder, silenced():
        run = prepare(recipe.model_copy(update={"output_dir": Path(folder)}))
    if not run.context.ragged:
        raise UserError(
            "only ragged batches are planned, and this recipe's are padded",
            where="training.layout",
            found=recipe.training.layout,
            fix="training.layout=ragged, with a model that reads streams",
        )
    first = run.plan.epoch(0)[0]
    (batch,) = run.batches("train", [first])
    layers = tuple(_layers(run, batch))
    tokens = int(run.encoded["train"].lengths[first].sum())
    warnings = tuple(hidden_text(run.views, run.task.program))
    return Plans(len(first), tokens, max(batch.inputs["layout"].sizes), layers, run.views, warnings)


def _layers(run: Run, batch: Batch) -> Iterator[LayerPlan]:
    """Compute the loss of a batch, and yield the plans of the requests for masks that the model has made.

    Raises:
        UserError: The recipe's kernel does not run on the device.
    """
    run.model.to(run.accelerator.device)
    num_layers = {stack.site: stack.num_layers for stack in find_stacks(run.model)}
    added = run.task.program.adds_causal("decoder", num_layers["decoder"]) if "decoder" in num_layers else ()
    try:
        with pretrained.recorded_requests(run.model) as requests, torch.inference_mode():
            run.task.loss(run.model, batch, 0.0)
    except PlanError as error:
        fix = "leave out attention.kernel, and the cheapest kernel is taken"
        raise UserError(str(error), where="attention.kernel", fix=fix) from error
    for request in requests:
        for number, layers in pretrained.layers_of(run.model, request).items():
            causal_added = request.site == "decoder" and any(added[layer] for layer in layers)
            yield LayerPlan(request.site, tuple(layers), _explain(request, number), causal_added)


def _explain(request: MaskRequest, number: int) -> Explanation:
    queries = request.queries.ragged
    keys = queries if request.keys is request.queries else request.keys.ragged
    return explain(
        request.masks[number],
        queries,
        keys,
        request.num_heads,
        head_dim=request.head_dim,
        has_relative_bias=request.has_relative_bias,
        kernel=request.kernel,
    )


def _reach(views: Sequence[View], site: SiteName) -> list[tuple[list[int], int, int]]:
    """Group the layers of a site after which equally many tokens reach the median position.

    Returns:
        Each group of consecutive layers, with the number of tokens that reach the median position and the number of
        tokens that there are.
    """
    medians: list[tuple[list[int], int, int]] = []
    for layer in range(views[0].depth):
        reached = [view.reached(layer + 1)[site] for view in views]
        counts = torch.cat([tokens.sum(1) for tokens in reached])
        available = torch.cat([view.available(site) for view in views])
        middle = int((counts / available).argsort(stable=True)[len(counts) // 2])  # the position of the median share
        median = int(counts[middle]), int(available[middle])
        if medians and medians[-1][1:] == median:
            medians[-1][0].append(layer)
        else:
            medians.append(([layer], *median))
    return medians


def ranges(layers: Sequence[int]) -> str:
    """Return ascending layers as text with ranges, such as "0-3, 5"."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
