"""Options are named as the user writes them."""

from finetune.data.files.options import COMMAND_OPTIONS, RECIPE_KEYS


def test_keys_of_a_recipe_and_options_of_a_command() -> None:
    assert (RECIPE_KEYS.name("encoding"), RECIPE_KEYS.assign("encoding", "latin-1")) == (
        "data.encoding",
        "data.encoding=latin-1",
    )
    assert (COMMAND_OPTIONS.name("encoding"), COMMAND_OPTIONS.assign("encoding", "latin-1")) == (
        "--encoding",
        "--encoding latin-1",
    )
