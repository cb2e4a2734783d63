"""The register of tasks, and those that installed packages bring."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import transformers

from finetune import compose, tasks
from finetune.errors import UserError
from finetune.recipe import (
    SEQUENCE_HEAD,
    Data,
    Model,
    ModelHead,
    Recipe,
    TaskSection,
    TextClassification,
    TokenClassification,
    find_head,
    find_task,
    head_of_class,
    register_task,
    task_kinds,
    task_sections,
    unregister_task,
)
from finetune.tasks import Task
from tests.packages import Brings
from tests.packages import brings as brings

ROOT = Path(__file__).parent.parent.parent
GROUP = "finetune.tasks"
BUILT_IN = ("text_classification", "token_classification", "text_to_text", "translation")


class Added(TextClassification):
    implementation: ClassVar[str] = "no_such_module:AddedTask"
    kind: Literal["added"] = "added"  # type: ignore[assignment]
    depth: int = 3


class Again(TextClassification):
    kind: Literal["text_classification"] = "text_classification"


class OtherHead(TokenClassification):
    head: ClassVar[ModelHead] = ModelHead("token_classification", "AutoModel", ("Model",), "FEATURE_EXTRACTION")
    kind: Literal["other_head"] = "other_head"  # type: ignore[assignment]


class Incomplete(TaskSection):
    head: ClassVar[ModelHead] = SEQUENCE_HEAD
    kind: str = "incomplete"


NO_TASK = object()


@pytest.fixture(autouse=True)
def _forgets() -> Iterator[None]:
    yield
    for kind in set(task_sections()) - set(BUILT_IN):
        unregister_task(kind)


def recipe(task: Any) -> Recipe:
    return Recipe.model_validate({"task": task, "model": Model(name="x"), "data": Data(path="x.csv")})


def test_every_task_is_whole() -> None:
    assert tuple(task_sections()) == BUILT_IN
    for kind, section in task_sections().items():
        module, _, name = section.implementation.partition(":")
        assert issubclass(getattr(importlib.import_module(module), name), Task)
        assert section.input_length in section.model_fields
        assert hasattr(transformers, section.head.auto_class)
        assert find_head(section.head.name) == section.head
        assert type(tasks.create(recipe({"kind": kind})).recipe.task) is section


def test_a_class_of_transformers_tells_its_head() -> None:
    assert head_of_class("BertForSequenceClassification") == SEQUENCE_HEAD
    assert head_of_class("BertForMaskedLM") is None
    with pytest.raises(ValueError, match=r"there is no head 'tagging', only text_classification, token_class"):
        find_head("tagging")


def test_no_other_module_names_a_kind_of_task() -> None:
    named = re.compile(rf"[\"']({'|'.join(BUILT_IN)})[\"']")
    sources = (path for path in (ROOT / "finetune").rglob("*") if path.suffix in (".py", ".jinja"))
    # Drafting chooses among the tasks by what it finds in data.
    own = [ROOT / "finetune" / name for name in ("tasks", "recipe", "drafting")]
    column = ROOT / "finetune" / "data" / "dict_rows.py"  # the Hub's data sets have a column named translation
    found = [path for path in sources if path.parent not in own and named.search(path.read_text())]
    assert [path for path in found if path != column] == []


def test_a_registered_task_is_a_task_of_recipes() -> None:
    with pytest.raises(ValueError, match=r"'added' found using 'kind' does not match any of the expected tags: 'te"):
        recipe({"kind": "added"})
    register_task(Added)
    register_task(Added)
    made = recipe({"kind": "added", "depth": 4})
    assert isinstance(made.task, Added)
    assert compose.to_yaml(made).startswith("name: ''\nsummary: ''\ntask:\n  kind: added\n  max_length: 128\n")
    changed = compose.override(recipe({"kind": "text_to_text"}), {"task.kind": "added", "task.depth": 5})
    assert changed.task == Added(depth=5)
    with pytest.raises(UserError, match=r"did you mean task\.depth"):
        compose.override(made, {"task.dept": 5})


def test_a_package_brings_a_task(brings: Brings) -> None:
    brings("more-tasks", GROUP, added=f"{__name__}:Added")
    assert task_kinds() == (*BUILT_IN, "added")
    assert "added" not in task_sections()
    assert recipe({"kind": "added"}).task == Added()
    with pytest.raises(ValueError, match=r"does not match any of the expected tags: .*'added'"):
        recipe({"kind": "addde"})


def test_an_implementation_that_cannot_be_imported_is_told() -> None:
    register_task(Added)
    with pytest.raises(UserError, match="the task 'added' cannot be imported") as error:
        tasks.create(recipe({"kind": "added"}))
    assert error.value.where == "no_such_module:AddedTask"


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        ("broken", "no_such_module:SECTION", "from the package more-tasks, .* ModuleNotFoundError"),
        ("none", f"{__name__}:NO_TASK", "an entry point is not a task"),
        ("wrong", f"{__name__}:Added", "another kind than its entry point"),
        ("text_classification", f"{__name__}:Again", "two tasks of the kind 'text_classification'"),
        ("other_head", f"{__name__}:OtherHead", "two heads named 'token_classification'"),
        ("incomplete", f"{__name__}:Incomplete", "a task's section is incomplete"),
    ],
)
def test_a_package_that_cannot_be_used_is_named(brings: Brings, kind: str, value: str, problem: str) -> None:
    brings("more-tasks", GROUP, **{kind: value})
    with pytest.raises(UserError, match=problem) as error:
        recipe({"kind": kind})
    assert "more-tasks" in str(error.value)
    assert tuple(task_sections()) == BUILT_IN


def test_two_packages_with_one_name_are_refused(brings: Brings) -> None:
    for package in ("one", "two"):
        brings(package, GROUP, added=f"{__name__}:Added")
    with pytest.raises(UserError, match=r"several packages .*: one, two; uninstall all but one"):
        find_task("added")


def test_an_incomplete_section_is_told_what_it_lacks() -> None:
    with pytest.raises(UserError) as error:
        register_task(Incomplete)
    assert error.value.found == "none of the name implementation, pipeline_tag, example"
