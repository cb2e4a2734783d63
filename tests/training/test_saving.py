"""A damaged file of a run gives an older checkpoint, or one message."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune import compose
from finetune.checkpointing import checkpoint
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.run import main
from finetune.training import find_start, saving
from finetune.training.loop import Loop
from finetune.training.run import prepare
from tests.checkpointing.runs import interrupted, small
from tests.damage import damaged

Toy = Callable[..., Recipe]

SHARED = {
    "state": {"total_steps": 12, "step": 4, "dev": {"loss": 0.5}},
    "metrics_size": 100,
    "processes": 1,
    "packages": {"torch": "2.13.0"},
    "fingerprint": {"train": "48 inputs, 300 tokens, checksum 00000000"},
}


def checkpoint_of(folder: Path, step: int) -> Path:
    made = folder / checkpoint.step_name(step)
    (made / "state").mkdir(parents=True)
    (made / "config.json").write_text("{}")
    (made / "state" / "state.json").write_text(json.dumps(SHARED))
    checkpoint.seal(made)
    return made


@pytest.mark.parametrize("name", ["state.json", "manifest.json"])
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_a_damaged_checkpoint_gives_way_to_an_older_one(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    older, newer = checkpoint_of(folder, 2), checkpoint_of(folder, 4)
    whole = (newer / "state" / name).read_bytes()
    content = data.draw(damaged(whole).filter(lambda content: content != whole))
    (newer / "state" / name).write_bytes(content)
    with suppress(UserError):  # a manifest that names a file which cannot be opened
        found = checkpoint.newest_whole(folder)
        assert found is not None
        assert saving._read_shared(found) == SHARED
        assert found == older or name == "manifest.json"


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_a_sealed_state_of_anything_else_is_told(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Such as another version would write."""
    made = checkpoint_of(tmp_path_factory.mktemp("checkpoints"), 2)
    path = made / "state" / "state.json"
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    with suppress(UserError):
        assert {"state", "metrics_size", "processes", "packages"} <= saving._read_shared(made).keys()


@pytest.fixture(scope="module")
def recipe_text() -> bytes:
    return compose.to_yaml(compose.compose(["recipe=sst2"])).encode()


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_a_damaged_recipe_is_told(
    data: st.DataObject, recipe_text: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("runs") / "sst2" / "2026-01-01_00-00-00"
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_bytes(data.draw(damaged(recipe_text)))
    asked = compose.compose(["recipe=sst2"])
    for resume in (str(folder), "auto"):
        changes = {"resume": resume, "output_dir": str(folder.parent.parent)}
        try:
            start = find_start(compose.override(asked, changes))
        except UserError:
            assert resume != "auto"
        else:
            start.lock.release()


@pytest.mark.parametrize("content", [b"", b'{"step": 1}\n'])
def test_a_shorter_list_of_metrics_is_told(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    recipe = small(toy)
    folder = interrupted(recipe, monkeypatch, 4)
    (folder / "metrics.jsonl").write_bytes(content)
    assert Loop(prepare(compose.override(recipe, {"resume": str(folder)}))).state.step == 4
    assert (folder / "metrics.jsonl").read_bytes() == content, "no zeros take the place of what is lost"
    assert "metrics.jsonl is shorter than at the checkpoint" in " ".join(capsys.readouterr().err.split())


def test_a_state_of_another_version_ends_the_command_with_status_2(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = interrupted(small(toy), monkeypatch, 4)
    newest = folder / "checkpoints" / "step-000004"
    (newest / "state" / "state.json").write_text('{"step": 4}')
    checkpoint.seal(newest)
    assert main([f"resume={folder}"]) == 2
    said = capsys.readouterr().err
    assert "state.json of the run cannot be read" in said
    assert "rename the folder step-000004" in said
