"""The registry of functions that masks name; `test_custom` and `test_score` show its two uses."""

import pytest

from finetune.attention.masks.base import Needs
from finetune.attention.masks.errors import MaskArgumentError, MaskError
from finetune.attention.masks.functions import FunctionRegistry


def one() -> None: ...


def other() -> None: ...


def test_registries_are_apart_and_a_definition_may_be_run_twice() -> None:
    first, second = (FunctionRegistry("custom", "thing", "register_thing", "finetune.of_no_package") for _ in range(2))
    for _ in range(2):
        assert first.register("one", ["word"], (), length=False, by_head=True)(one) is one
    assert first.find("one").needs == Needs(columns=frozenset({"word"}), by_head=True)
    with pytest.raises(MaskArgumentError, match="no thing is registered as 'one'"):
        second.find("one")
    with pytest.raises(MaskError, match="there is a thing named 'one' already"):
        first.register("one", (), (), length=False, by_head=True)(other)


def test_a_function_is_registered_under_its_own_name_unless_it_has_none() -> None:
    registry = FunctionRegistry("custom", "thing", "register_thing", "finetune.of_no_package")
    assert registry.name_of(other) == "other"
    assert registry.find("other").function is other
    with pytest.raises(MaskArgumentError, match=r"custom: a thing needs a name; write register_thing\(name\)\(it\)"):
        registry.name_of(lambda: None)
