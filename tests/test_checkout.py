"""The entry points of a checkout are those of its pyproject.toml, whatever it was installed with."""

from importlib import metadata
from pathlib import Path

import pytest

from finetune.checkout import DISTRIBUTION, read_checkout, with_checkout
from finetune.recipe import data_sets
from tests.packages import Brings
from tests.packages import brings as brings

PROJECT = """
[project]
name = "finetune-masks"
dynamic = ["version"]

[project.scripts]
finetune = "finetune_masks:main"

[project.entry-points."finetune.data"]
mine = "somewhere:load"

[project.entry-points."finetune.masks"]
yours = "elsewhere:mask"
"""


def test_a_checkout_has_the_name_and_the_entry_points_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    checkout = read_checkout(tmp_path)
    assert checkout is not None
    assert checkout.name == DISTRIBUTION
    assert checkout.locate_file("somewhere.py") == tmp_path / "somewhere.py"
    points = {(point.group, point.name, point.value) for point in checkout.entry_points}
    assert points == {
        ("finetune.data", "mine", "somewhere:load"),
        ("finetune.masks", "yours", "elsewhere:mask"),
    }


@pytest.mark.parametrize("text", [None, "", "not [ toml", '[project]\nname = "other"\n', "\xff"])
def test_other_folders_are_no_checkouts(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_bytes(text.encode("latin-1"))
    assert read_checkout(tmp_path) is None


def test_what_the_checkout_was_installed_with_before_does_not_count(brings: Brings) -> None:
    brings(DISTRIBUTION, "finetune.data", sentiment="finetune.data.samples:load", forgotten="finetune.data.samples:old")
    brings("corpora", "finetune.data", corpus="corpora:load")
    found = with_checkout(metadata.entry_points)(group="finetune.data")
    values = {point.name: point.value for point in found}
    assert values["sentiment"] == "finetune.samples.sentiment:load_sentiment"
    assert values["corpus"] == "corpora:load"
    assert "forgotten" not in values
    assert data_sets.packages_of_data_set("sentiment") == (DISTRIBUTION,)


def test_without_a_checkout_the_metadata_count(brings: Brings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.checkout.read_checkout", lambda: None)
    brings(DISTRIBUTION, "finetune.data", sentiment="finetune.samples.sentiment:load_sentiment")
    assert [point.name for point in with_checkout(metadata.entry_points)(group="finetune.data")] == ["sentiment"]
