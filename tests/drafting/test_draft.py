"""Each kind of data gives the recipe that it should, and `finetune check` finds no error in it."""

from pathlib import Path
from typing import Any

import pytest

from finetune import checking, compose
from finetune.drafting import Draft, draft_recipe
from finetune.errors import UserError
from finetune.recipe import Recipe
from tests.drafting.files import GERMAN, ROWS, WRITERS, write_table

CLASSES: dict[str, Any] = {
    "task.kind": "text_classification",
    "task.problem_type": "single_label",
    "data.columns.text": "review",
    "data.columns.label": "stars",
    "model.name": "google-bert/bert-base-cased",
}
TRANSLATION: dict[str, Any] = {
    "task.kind": "translation",
    "task.source": "en",
    "task.target": "de",
    "model.name": "google-t5/t5-small",
    "task.prefix": "translate {source} to {target}: ",
}
WORDS = {"task.kind": "token_classification", "model.name": "google-bert/bert-base-cased"}
MULTI = {"task.kind": "text_classification", "task.problem_type": "multi_label"}

EXPECTED: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("csv", "tsv", "packed", "json", "jsonl", "parquet", "saved", "saved splits", "folder"), CLASSES),
    "semicolons": CLASSES | {"data.delimiter": ";"},
    "cp1252": CLASSES | {"data.delimiter": ";", "data.encoding": "cp1252"},
    "utf-16": CLASSES | {"data.encoding": "utf-16"},
    "no ending": CLASSES | {"data.delimiter": ";", "data.format": "csv"},
    "without header": CLASSES | {"data.columns.text": "text", "data.columns.label": "label"},
    "multi-label": MULTI | {"data.columns.text": "text", "data.columns.label": "topics"},
    "separated labels": MULTI | {"data.columns.label": "topics", "task.label_separator": ";"},
    "flags": MULTI | {"data.columns.text": "comment", "data.columns.label": ("toxic", "insult", "threat")},
    "regression": {"task.problem_type": "regression", "data.columns.label": "score"},
    "pairs": {"data.columns.text": "sentence1", "data.columns.text_pair": "sentence2", "data.columns.label": "label"},
    "translation table": TRANSLATION | {"data.columns.source": "english", "data.columns.target": "german"},
    "nested": TRANSLATION | {"data.columns.source": "translation.en", "data.columns.target": "translation.de"},
    **dict.fromkeys(("parallel", "tmx", "xliff"), TRANSLATION),
    "summaries": {
        "task.kind": "text_to_text",
        "data.columns.source": "document",
        "data.columns.target": "summary",
        "task.prefix": "summarize: ",
    },
    **dict.fromkeys(("conll", "conll in tsv", "spans"), WORDS),
    "tokens": WORDS | {"data.columns.labels": "ner_tags"},
    "written tokens": WORDS | {"data.columns.labels": "tags"},
    "single words": WORDS | {"data.columns.tokens": "Word", "data.columns.labels": "Tag"}
    | {"data.columns.sentence": "Sentence #"},
}  # fmt: skip


def value(recipe: Recipe, key: str) -> Any:
    found: Any = recipe
    for name in key.split("."):
        found = getattr(found, name)
    return found


def drafted(path: Path, **options: Any) -> Draft:
    return draft_recipe(path, options.pop("overrides", None), **options)


def small(recipe: Recipe) -> Recipe:
    """The same data and task with a model that needs no Hub."""
    architecture = "t5" if recipe.task.head.writes_text else "bert"
    scratch = {"model": {"scratch": {"architecture": architecture, "size": "tiny", "vocab_size": 200}}}
    return compose.override(recipe, {**scratch, "training.precision": "fp32"})


def test_every_kind_of_data_is_expected() -> None:
    assert EXPECTED.keys() == WRITERS.keys()


@pytest.mark.parametrize("kind", WRITERS)
def test_the_recipe_is_the_one_that_fits(kind: str, tmp_path: Path) -> None:
    draft = drafted(WRITERS[kind](tmp_path))
    found = {key: value(draft.recipe, key) for key in EXPECTED[kind]}
    assert found == EXPECTED[kind]


@pytest.mark.slow
@pytest.mark.parametrize("kind", WRITERS)
def test_check_finds_no_error_in_what_is_written(kind: str, tmp_path: Path) -> None:
    path = drafted(WRITERS[kind](tmp_path)).write(tmp_path / "new" / "recipe.yaml")
    report = checking.check_recipe(small(compose.load_recipe(str(path))))
    assert report.errors == []
    assert report.rows["train"] >= 36
    assert report.trial is not None


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_written_is_the_recipe(kind: str, tmp_path: Path) -> None:
    draft = drafted(WRITERS[kind](tmp_path))
    path = draft.write(tmp_path / "recipe.yaml")
    assert compose.load_recipe(str(path)) == draft.recipe


def test_sure_choices_leave_no_doubt(tmp_path: Path) -> None:
    for kind in ("csv", "folder", "tokens", "conll", "regression", "multi-label"):
        (tmp_path / kind).mkdir()
        assert drafted(WRITERS[kind](tmp_path / kind)).doubts == ()


def test_what_else_would_fit_is_said_and_can_be_chosen(tmp_path: Path) -> None:
    rows = [(text, n % 5, f"topic {n % 12}") for n, (text, _) in enumerate(ROWS)]
    write_table(tmp_path / "a.csv", [("text", "stars", "category"), *rows])
    draft = drafted(tmp_path / "a.csv")
    assert draft.recipe.data.columns.label == "stars"
    (doubt,) = (one for one in draft.doubts if one.startswith("data.columns.label"))
    assert "'category' (12 values) would fit, too (--label category)" in doubt
    assert "# not certain: 'category'" in draft.text
    chosen = drafted(tmp_path / "a.csv", columns={"label": "category"})
    assert chosen.recipe.data.columns.label == "category"


def test_without_a_basis_the_option_that_decides_is_named(tmp_path: Path) -> None:
    rows = [(text, n % 3, n % 4) for n, (text, _) in enumerate(ROWS)]
    write_table(tmp_path / "a.csv", [("text", "colour", "shape"), *rows])
    with pytest.raises(UserError, match="nothing tells which column holds the labels") as raised:
        drafted(tmp_path / "a.csv")
    assert raised.value.fix == "--label colour, say"
    assert drafted(tmp_path / "a.csv", columns={"label": "shape"}).recipe.data.columns.label == "shape"


def test_keys_that_are_given_are_kept(tmp_path: Path) -> None:
    path = WRITERS["csv"](tmp_path)
    given = {"training.epochs": 7, "model.name": "my/model", "data.labels": ["bad", "good"], "task.max_length": 20}
    recipe = drafted(path, overrides=given, name="mine").recipe
    assert (recipe.training.epochs, recipe.model.name, recipe.data.labels) == (7, "my/model", ("bad", "good"))
    assert (value(recipe, "task.max_length"), recipe.name) == (20, "mine")
    assert drafted(path, overrides={"model": {"sample": "minilm"}}).recipe.model.sample == "minilm"


def test_without_the_hub(tmp_path: Path) -> None:
    assert drafted(WRITERS["csv"](tmp_path), offline=True).recipe.model.sample == "minilm"
    scratch = drafted(WRITERS["tmx"](tmp_path), offline=True).recipe
    assert scratch.model.scratch is not None
    assert (scratch.model.scratch.architecture, scratch.training.optimizer) == ("t5", "adafactor")


def test_a_long_file_is_looked_at_in_part(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", [("text", "label"), *ROWS * 90])
    draft = drafted(tmp_path / "a.csv")
    assert "looked at the first 10,000 rows" in draft.facts[0]
    assert "more than" in draft.text


def test_a_long_file_that_is_sorted_by_its_labels(tmp_path: Path) -> None:
    rows = [(f"{text} {n}", "bad" if n < 11_000 else "good") for n, (text, _) in enumerate(ROWS * 100)]
    write_table(tmp_path / "a.csv", [("text", "label"), *rows])
    draft = drafted(tmp_path / "a.csv")
    assert draft.recipe.data.columns.label == "label"
    assert "the file may be sorted by it" in draft.text


def test_words_and_labels_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("Ada NNP B-PER\nruns VBZ O\nfast RB O\n\n" * 20)
    draft = drafted(tmp_path / "a.conll")
    assert draft.recipe.data.columns.labels == "labels"
    assert draft.recipe.data.column_names is None
    assert "'column_2' would fit, too (--label column_2)" in draft.doubts[0]
    chosen = drafted(tmp_path / "a.conll", columns={"label": "column_2"}).recipe
    assert chosen.data.column_names == ("tokens", "column_2", "labels")
    assert chosen.data.columns.labels == "column_2"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"overrides": {"recipe": "sst2"}}, "recipe does not go with finetune init"),
        ({"overrides": {"data.path": "b.csv"}}, "data.path does not go with finetune init"),
        ({"overrides": {"data.delimitr": ";"}}, "data.delimitr is not a key of a recipe"),
        ({"overrides": {"training.epochs": "many"}}, "training.epochs is wrong"),
        ({"task": "poetry"}, "recipes for the task 'poetry' are not drafted"),
        ({"columns": {"label": "star"}}, "there is no column 'star'"),
        ({"columns": {"label": ["stars", "moons"]}}, "there is no column 'moons'"),
        ({"columns": {"lable": "stars"}}, "'lable' is nothing that a column holds"),
        ({"columns": {"label": "review", "text": "review"}}, "the column 'review' would be read for two things"),
        ({"task": "translation"}, "the texts do not tell in which language column 'stars' is"),
        ({"task": "token_classification"}, "no column seems to hold a list of words"),
    ],
)
def test_mistakes(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        drafted(WRITERS["csv"](tmp_path), **given)


def test_data_that_fit_no_task(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", [("id", "n"), *((n, n * 7) for n in range(30))])
    with pytest.raises(UserError, match="no column seems to hold"):
        drafted(tmp_path / "a.csv")
    (tmp_path / "empty.csv").write_text("text,label\n")
    with pytest.raises(UserError, match="there are no rows"):
        drafted(tmp_path / "empty.csv")


def test_no_header_of_two_languages(tmp_path: Path) -> None:
    rows = [f"{text}\t{german} {n}\n" for n, ((text, _), german) in enumerate(zip(ROWS, GERMAN * 60, strict=True))]
    (tmp_path / "a.tsv").write_text("".join(rows))
    recipe = drafted(tmp_path / "a.tsv").recipe
    assert recipe.data.column_names == ("en", "de")
    assert recipe.data.columns.source is None


def test_rows_in_place_of_a_path() -> None:
    with pytest.raises(UserError, match="draft_recipe takes the path of a file or a folder"):
        draft_recipe([{"text": "a", "label": "b"}])  # type: ignore[arg-type]
