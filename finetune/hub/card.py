"""The model card: what a run made, from what, how well it does, and how to use it."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from huggingface_hub import (
    DatasetCard,
    EvalResult,
    ModelCard,
    ModelCardData,
    RepoCard,
    hf_hub_download,
    try_to_load_from_cache,
)

from finetune.hub.pictures import PICTURE, draw_masks
from finetune.hub.portable import portable
from finetune.hub.run_facts import RunFacts
from finetune.hub.usage import usage
from finetune.hub_access import hub_access

TEMPLATE = Path(__file__).with_name("card.md.jinja")
PIPELINES = {
    "text_classification": "text-classification",
    "token_classification": "token-classification",
    "text_to_text": "text2text-generation",
    "translation": "translation",
}
"""What the Hub calls the tasks, by `task.kind`."""


def write_card(run: Path) -> Path:
    """Write the model card of a finished run beside its model; gives its path.

    Raises:
        UserError: There is no finished run in the folder.
    """
    facts = RunFacts.read(run)
    standard = facts.program.is_standard
    drawing, has_picture = ("", False) if standard else draw_masks(facts)
    card = ModelCard.from_template(
        card_data(facts),
        template_path=str(TEMPLATE),
        facts=facts,
        kind=facts.recipe.task.kind.replace("_", " "),
        usage=usage(facts),
        scores=dict(_table(facts)),
        peers=list(facts.results.get("baselines", {})),
        masks={} if standard else facts.program.to_config(),
        drawing=drawing,
        picture=PICTURE if has_picture else None,
        settings=portable(facts.recipe).strip(),
        packages=facts.environment.get("packages", {}),
    )
    path = facts.model / "README.md"
    card.save(path)
    return path


def card_data(facts: RunFacts) -> ModelCardData:
    """The card's header, by which the Hub finds and ranks models."""
    data_card, model_card = _dataset_card(facts), _base_model_card(facts)
    return ModelCardData(
        base_model=facts.base_model,
        datasets=[facts.dataset] if facts.dataset else None,
        eval_results=list(_eval_results(facts)),
        language=_languages(facts, data_card),
        library_name="peft" if facts.is_adapter else "transformers",
        license=facts.recipe.hub.license or (model_card.data.get("license") if model_card else None),
        metrics=[name for name in facts.results.get("test", {}) if name != "loss"],
        model_name=facts.recipe.name,
        pipeline_tag=PIPELINES[facts.recipe.task.kind],
        tags=["finetune-masks", *([] if facts.program.is_standard else ["custom-attention-mask"])],
    )


def _eval_results(facts: RunFacts) -> Iterator[EvalResult]:
    data, pipeline = facts.recipe.data, PIPELINES[facts.recipe.task.kind]
    for name, value in facts.results.get("test", {}).items():
        yield EvalResult(
            task_type=pipeline,
            task_name=pipeline.replace("-", " ").capitalize(),
            dataset_type=facts.data_name,
            dataset_name=facts.data_name,
            dataset_config=data.config if facts.dataset else None,
            dataset_split=data.splits.test if facts.dataset else "test",
            dataset_revision=data.revision if facts.dataset else None,
            metric_type=name,
            metric_name=name,
            metric_value=round(float(value), 6),
        )


def _table(facts: RunFacts) -> Iterator[tuple[str, list[str]]]:
    """The scores by name: the model's, then those of its simple peers."""
    peers = facts.results.get("baselines", {}).values()
    for name, value in facts.results.get("test", {}).items():
        others = [peer.get(name) for peer in peers]
        yield name, [f"{value:.4f}", *("" if other is None else f"{other:.4f}" for other in others)]


def _languages(facts: RunFacts, data_card: RepoCard | None) -> list[str] | None:
    """Languages as the recipe says them, or the task, or the data set."""
    recipe = facts.recipe
    pair = [language for end in ("source", "target") if (language := getattr(recipe.task, end, None))]
    stated = data_card.data.get("language") if data_card else None
    of_data = [stated] if isinstance(stated, str) else stated
    known = recipe.hub.languages or pair or of_data or facts.sample_languages
    return list(known) or None


def _dataset_card(facts: RunFacts) -> RepoCard | None:
    """The data set's card, which is in the cache since it was read."""
    if facts.dataset is None:
        return None
    data = facts.recipe.data
    found = try_to_load_from_cache(
        facts.dataset, "README.md", repo_type="dataset", revision=data.revision, cache_dir=data.cache_dir
    )
    return DatasetCard.load(found, ignore_metadata_errors=True) if isinstance(found, str) else None


def _base_model_card(facts: RunFacts) -> RepoCard | None:
    """The pretrained model's card; None where it cannot be had, for which no run is to fail."""
    model = facts.recipe.model
    if facts.base_model is None or facts.recipe.hub.license:
        return None
    with suppress(Exception), hub_access("model", facts.base_model, "model.name"):
        found = hf_hub_download(facts.base_model, "README.md", revision=model.revision, cache_dir=model.cache_dir)
        card: RepoCard = ModelCard.load(found, ignore_metadata_errors=True)
        return card
    return None
