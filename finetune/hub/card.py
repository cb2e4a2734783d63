"""The model card of a run: its model, data, scores and masks, and how to use the model."""

import html
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import (
    DatasetCard,
    EvalResult,
    ModelCard,
    ModelCardData,
    hf_hub_download,
)

from finetune import atomic
from finetune.hub.pictures import PICTURE, draw_masks
from finetune.hub.run_facts import RunFacts
from finetune.hub.sanitize import published, sanitized
from finetune.hub.usage import usage
from finetune.hub_access import hub_access
from finetune.training.stored_slices import stored_slices

RECIPE = "recipe.yaml"
MOST_SLICES = 20
"""The number of slices that the card shows."""
_MARKUP = re.compile(r"([\\`*_\[\]|~#])")
TEMPLATE = Path(__file__).with_name("card.md.jinja")


def write_card(run: Path) -> Path:
    """Write the model card of a finished run into its model folder, and return the path of the card.

    The resolved recipe is written beside it, so that the folder can be handed over: `finetune predict` reads from the
    recipe how inputs are read and cut. As in everything that is published, names of folders are left out of it.

    Args:
        run: The run folder.

    Raises:
        UserError: There is no finished run in the folder, or a file of it cannot be read.
    """
    facts = RunFacts.read(run)
    standard = facts.program.is_standard
    drawing = "" if standard else draw_masks(facts)
    card = ModelCard.from_template(
        card_data(facts),
        template_path=str(TEMPLATE),
        facts=facts,
        kind=facts.recipe.task.kind.replace("_", " "),
        usage=usage(facts),
        scores=dict(_table(facts)),
        slices=list(_slices(facts)),
        baselines=list(facts.results.get("baselines", {})),
        masks={} if standard else facts.program.to_config(),
        drawing=drawing,
        picture=None if standard else PICTURE,
        changes=[str(change) for change in published(facts.changes).listed],
        settings=sanitized(facts.recipe).strip(),
        packages=facts.environment.get("packages", {}),
    )
    path = facts.model / "README.md"
    card.save(path)
    atomic.write_text(facts.model / RECIPE, sanitized(facts.recipe))
    return path


def card_data(facts: RunFacts) -> ModelCardData:
    """Return the metadata of the card, by which the Hub finds and ranks models."""
    return ModelCardData(
        base_model=facts.base_model,
        datasets=[str(origin.name) for origin in facts.datasets] or None,
        eval_results=list(_eval_results(facts)),
        language=_languages(facts),
        library_name="peft" if facts.is_adapter else "transformers",
        license=_license(facts),
        metrics=[name for name in facts.results.get("test", {}) if name != "loss"],
        model_name=facts.recipe.name,
        pipeline_tag=facts.recipe.task.pipeline_tag,
        tags=["finetune-masks", *([] if facts.program.is_standard else ["custom-attention-mask"])],
    )


def _eval_results(facts: RunFacts) -> Iterator[EvalResult]:
    pipeline = facts.recipe.task.pipeline_tag
    of_hub = facts.datasets[0] if len(facts.datasets) == len(facts.origins) == 1 else None
    for name, value in facts.results.get("test", {}).items():
        yield EvalResult(
            task_type=pipeline,
            task_name=pipeline.replace("-", " ").capitalize(),
            dataset_type=facts.data_name,
            dataset_name=facts.data_name,
            dataset_config=of_hub.config if of_hub else None,
            dataset_split=of_hub.splits.test if of_hub else "test",
            dataset_revision=of_hub.revision if of_hub else None,
            metric_type=name,
            metric_name=name,
            metric_value=round(float(value), 6),
        )


def _table(facts: RunFacts) -> Iterator[tuple[str, list[str]]]:
    """Yield each score by name: that of the model, then those of the baselines."""
    baselines = facts.results.get("baselines", {}).values()
    for name, value in facts.results.get("test", {}).items():
        others = [baseline.get(name) for baseline in baselines]
        bounds = facts.results.get("intervals", {}).get(name, ())
        interval = f" ({' to '.join(f'{bound:.4f}' for bound in bounds)})" if bounds else ""
        yield name, [f"{value:.4f}{interval}", *("" if other is None else f"{other:.4f}" for other in others)]


def _slices(facts: RunFacts) -> Iterator[tuple[str, ...]]:
    """Yield the slices with the worst scores, as the cells of a table."""
    for one in stored_slices(facts.results)[:MOST_SLICES]:
        score = "not defined" if one.score is None else f"{one.score:.4f}"
        interval = "" if one.interval is None else f" ({one.interval[0]:.4f} to {one.interval[1]:.4f})"
        yield _cell(one.by), _cell(one.name), f"{one.num_examples:,}", f"{one.metric} {score}{interval}"


def _cell(text: str) -> str:
    """Return a text of the data for a table in Markdown, in which it is neither markup nor HTML."""
    return _MARKUP.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _languages(facts: RunFacts) -> list[str] | None:
    """Return the languages that the recipe, the task or the card of the data set names."""
    recipe = facts.recipe
    pair = [language for end in ("source", "target") if (language := getattr(recipe.task, end, None))]
    known = recipe.hub.languages or pair or facts.sample_languages
    if not known and facts.datasets:
        data = facts.datasets[0]
        stated = _stated("data set", str(data.name), data.revision, recipe.data.cache_dir, "language")
        known = [stated] if isinstance(stated, str) else stated or ()
    return list(known) or None


def _license(facts: RunFacts) -> str | None:
    """Return the licence that the recipe names, or that of the pretrained model."""
    recipe = facts.recipe
    if recipe.hub.license or facts.base_model is None:
        return recipe.hub.license
    stated = _stated("model", facts.base_model, recipe.model.revision, recipe.model.cache_dir, "license")
    return stated if isinstance(stated, str) else None


def _stated(what: Literal["model", "data set"], name: str, revision: str, cache_dir: Path | None, key: str) -> Any:
    """Return an entry of a card on the Hub, or None: a card that cannot be read is no reason for a run to fail."""
    kind: Any = {"model": ModelCard, "data set": DatasetCard}[what]
    with suppress(Exception), hub_access(what, name, key):
        found = hf_hub_download(name, "README.md", repo_type=kind.repo_type, revision=revision, cache_dir=cache_dir)
        return kind.load(found, ignore_metadata_errors=True).data.get(key)
    return None
