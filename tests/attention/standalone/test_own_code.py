"""User modules that define masks are saved with a model, unless they import too much."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from finetune.attention import Program
from finetune.attention.masks import custom, register_predicate, score
from finetune.attention.pretrained import apply_masks
from finetune.attention.standalone.own_code import CannotTravel, FunctionSource, own_modules
from finetune.models import save_weights
from tests.attention.pretrained.tiny import build

OWN_MODEL = "BertForSequenceClassification"
MODULE = """
{imports}
from finetune.attention.masks import register_predicate

@register_predicate("{name}", columns=("word",), length=False, by_head=False)
def close(scope, head, q, k):
    return (q - k).abs() < 3
"""


def load(folder: Path, name: str, imports: str = "import math") -> ModuleType:
    """A module of the user's with a predicate of that name."""
    path = folder / f"{name}.py"
    path.write_text(MODULE.format(imports=imports, name=name))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@register_predicate("of_a_test", length=False)
def of_a_test(scope: Any, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return q == k


def test_what_cannot_travel_is_told_and_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """This module, which defines the predicate, imports pytest."""

    def inner(scope: Any, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return q == k

    model = apply_masks(build(OWN_MODEL), {"encoder": "custom(of_a_test)"})
    for folder in ("a", "b"):
        save_weights(model, tmp_path / folder)
    assert caplog.text.count("which defines custom(of_a_test), imports") == 1
    with pytest.raises(ValueError, match="no predicate is registered as 'of_a_test'"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path / "a", trust_remote_code=True)
    with pytest.raises(CannotTravel, match="is not a function of a module"):
        own_modules(Program.from_config({"encoder": custom(inner)}))


def test_masks_of_finetune_need_no_module() -> None:
    masks = "window(2) | per_head(causal(), same(word) & ~full())"
    assert own_modules(Program.from_config({"encoder": masks})) == ()


def test_a_module_is_saved_once_with_the_predicates_that_are_used(tmp_path: Path) -> None:
    module = load(tmp_path, "near_by")
    program = {"encoder": "custom(near_by) | window(1)", "decoder": "causal() & custom(near_by)"}
    (found,) = own_modules(Program.from_config(program))
    assert found.text == (tmp_path / "near_by.py").read_text()
    own = ("register_predicate", "near_by", module.close.__name__, ("word",), (), False, False)
    assert found.functions == (FunctionSource(*own),)


@pytest.mark.parametrize(
    ("imports", "named"),
    [("import os.path", "os"), ("from numpy import linalg", "numpy"), ("import finetune.attention.masks", "finetune")],
)
def test_a_module_that_imports_more_is_refused_with_its_name(tmp_path: Path, imports: str, named: str) -> None:
    name = f"imports_{named}"
    load(tmp_path, name, imports)
    with pytest.raises(CannotTravel, match=rf"{name}.py, which defines custom\({name}\), imports {named}"):
        own_modules(Program.from_config({"encoder": f"custom({name})"}))


def test_a_function_of_a_notebook_is_refused() -> None:
    name = "of_a_notebook"
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(MODULE.format(imports="", name=name), "<cell 1>", "exec"), space)
    with pytest.raises(CannotTravel, match=rf"custom\({name}\) is not defined in a module with a file"):
        own_modules(Program.from_config({"encoder": f"custom({name})"}))


SCORES = """
import math
from finetune.attention.masks import register_score

@register_score("fading", columns=("is_star",), length=False, by_head=True)
def fading(scope, head, q, k):
    return -math.pi * (q - k).abs() / (1 + head) + scope.key_feature("is_star", k)
"""


def test_the_module_of_a_score_function_is_saved_and_registers_it(tmp_path: Path) -> None:
    (tmp_path / "fading.py").write_text(SCORES)
    spec = importlib.util.spec_from_file_location("fading", tmp_path / "fading.py")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    program = {"encoder": "(window(2) | window(3)) + score(fading) + alibi()"}
    (found,) = own_modules(Program.from_config(program))
    own = ("register_score", "fading", "fading", ("is_star",), (), False, True)
    assert found.functions == (FunctionSource(*own),)
    model = apply_masks(build(OWN_MODEL), program, special_tokens={"star": 7})
    model.save_pretrained(tmp_path / "saved")
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved", trust_remote_code=True)
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    assert loaded(ids).logits.equal(model(ids).logits)
    assert not torch.allclose(loaded(ids).logits, build(OWN_MODEL)(ids).logits)


def test_a_score_function_within_another_function_cannot_travel() -> None:
    def inner(scope: Any, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return k / 2

    with pytest.raises(CannotTravel, match=r"score\(inner\) is not a function of a module"):
        own_modules(Program.from_config({"encoder": score(inner)}))


TERM = """
from dataclasses import dataclass
from finetune.attention.masks import ScoreTerm, register_mask
from finetune.attention.masks.scored import scored

@dataclass(frozen=True, repr=False)
class LateKeys(ScoreTerm):
    name = "of_late_keys"

    def pair_scores(self, scope, head, q, k):
        return k / 8

@register_mask
def of_late_keys():
    return scored(LateKeys())
"""


def test_the_module_of_a_term_of_a_new_kind_is_saved(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(TERM)
    spec = importlib.util.spec_from_file_location("late", tmp_path / "late.py")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    (found,) = own_modules(Program.from_config({"encoder": "causal() + of_late_keys()"}))
    assert (found.text, found.functions) == (TERM, ())
