"""Data larger than memory: shared out to processes and gone on with as other data are."""

import json
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from finetune import compose
from finetune.data import batched
from finetune.recipe import Recipe
from finetune.run import run_recipe, status
from finetune.training.loop import Loop
from finetune.training.micro_batches import MicroBatch, StepPlan
from tests.checkpointing.runs import assert_same_bits, elsewhere, killed_at, killed_then_resumed, only_run, small
from tests.training.processes import finish, start, together

Toy = Callable[..., Recipe]

FUNCTION = """
import json

def load(split):
    with open("{folder}/" + split + ".jsonl") as file:
        yield from map(json.loads, file)
"""


@pytest.fixture(autouse=True)
def _small_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched.batched, "__defaults__", (10,))
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache"))


def noting(recipe: Recipe, folder: Path) -> Callable[[], int]:
    """A run, for a process of its own, that notes the texts it trains on."""

    def body() -> int:
        original = Loop.micro_batches

        def noted(loop: Loop, steps: Sequence[StepPlan]) -> Generator[MicroBatch]:
            rows = loop.run.examples["train"]
            with (folder / f"texts{loop.accelerator.process_index}").open("a") as file:
                for one in original(loop, steps):
                    if one.weight:
                        file.writelines(f"{rows[int(index)]['text']}\n" for index in one.indices)
                    yield one

        Loop.micro_batches = noted  # type: ignore[method-assign, assignment]
        return status(recipe)

    return body


def test_two_processes_share_the_rows_and_go_on_after_a_kill(toy: Toy, tmp_path: Path) -> None:
    recipe = small(toy, **{"training.batch_size": 2, "data.streaming": True})
    assert together(noting(recipe, tmp_path), tmp_path / "logs", 2) == [0, 0], (tmp_path / "logs/0.log").read_text()
    shares = [Counter((tmp_path / f"texts{rank}").read_text().splitlines()) for rank in (0, 1)]
    rows = (tmp_path / "data" / "train.jsonl").read_text().splitlines()
    each = Counter(json.loads(row)["text"] for row in rows)
    assert sum(shares[0].values()) == sum(shares[1].values()) == len(rows)
    assert shares[0] + shares[1] == each + each, "each row once in each of two epochs"
    resumed = compose.override(elsewhere(recipe, "resumed"), {"resume": "auto"})
    assert killed_then_resumed(resumed, tmp_path / "log", event=50) == [0, 0]
    assert "resuming after step" in (tmp_path / "logs" / "0.log").read_text()
    assert_same_bits(only_run(recipe), only_run(resumed))


@pytest.mark.parametrize("source", ["files", "function"])
def test_killed_and_gone_on_with_it_ends_as_data_in_memory(toy: Toy, tmp_path: Path, source: str) -> None:
    recipe = small(toy)
    if source == "function":
        (tmp_path / "mine.py").write_text(FUNCTION.format(folder=tmp_path / "data"))
        recipe = compose.override(recipe, {"data.path": None, "data.function": f"{tmp_path / 'mine.py'}:load"})
    run_recipe(recipe)
    streamed = compose.override(elsewhere(recipe, "streamed"), {"data.streaming": True, "resume": "auto"})
    streamed = streamed.with_changes(recipe.changes)  # results.json holds them
    log = tmp_path / "log"
    assert finish(start(killed_at(streamed, 60), log)) == [-9], log.read_text()
    assert finish(start(lambda: status(streamed), log)) == [0], log.read_text()
    assert "resuming after step" in log.read_text()
    assert_same_bits(only_run(recipe), only_run(streamed))
