"""Names of other tools: each leads to a key or a command that there is."""

import pytest

from finetune import compose
from finetune.cli import app
from finetune.compose.other_tools import COMMANDS, MEANT, NOT_NEEDED

KNOWN = set(compose.keys())


@pytest.mark.parametrize("name", MEANT)
def test_a_name_means_keys_that_exist_and_is_none_itself(name: str) -> None:
    assert MEANT[name]
    assert {key.partition("=")[0] for key in MEANT[name]} <= KNOWN
    assert name not in KNOWN | NOT_NEEDED.keys()
    assert name == name.lower().replace("-", "_")


def test_values_that_are_meant_are_right() -> None:
    for meant in (key for keys in MEANT.values() for key in keys if "=" in key):
        compose.compose(["recipe=sst2", meant])


def test_names_are_in_order() -> None:
    for table in (MEANT, NOT_NEEDED, COMMANDS):
        assert list(table) == sorted(table)


def test_commands_exist() -> None:
    known = {command.name for command in app.registered_commands}
    assert set(COMMANDS.values()) <= known
    assert not known & COMMANDS.keys()
