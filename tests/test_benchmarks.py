"""The benchmarks run and print their tables; what they measure is not tested, since no time is certain."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import T5Config, T5ForConditionalGeneration

from scripts import bench_generation, bench_overhead, bench_training, training_variants
from scripts.benchmark_models import shape, write
from scripts.workload import lengths, training_work


@pytest.mark.slow
@pytest.mark.parametrize(("model", "variants"), [("minilm", "abc12"), ("t5", "c2")])
def test_training_prints_steps_and_epochs_of_every_variant(
    model: str, variants: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, picture = tmp_path / "figures.json", tmp_path / "picture.svg"
    sizes = ["--quick", "--no-memory", "--rounds", "1", "--steps", "1", "--epoch-rounds", "1", "--examples", "16"]
    words = ["--model", model, "--variants", variants, *sizes, "--json", str(figures), "--picture", str(picture)]
    assert bench_training.main(words) == 0
    printed, written = capsys.readouterr().out, json.loads(figures.read_text())
    names = [name for letter, name in zip("abc12", training_variants.VARIANTS, strict=True) if letter in variants]
    for kind in ("step", "epoch"):
        assert [row["name"] for row in written[kind]] == names
        assert all(row["tokens_per_second"]["median"] > 0 for row in written[kind])
    assert all(printed.count(name) == 2 for name in names)
    assert picture.stat().st_size > 0


@pytest.mark.slow
def test_generation_gives_the_same_texts_in_all_ways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = tmp_path / "figures.json"
    assert bench_generation.main(["--quick", "--sentences", "6", "--rounds", "1", "--json", str(figures)]) == 0
    rows = {row["name"]: row for row in json.loads(figures.read_text())["rows"]}
    assert rows["finetune, fp32"]["same"] == 1.0
    printed = capsys.readouterr().out
    assert all(name in printed for name in rows)


@pytest.mark.slow
def test_overhead_prints_commands_and_shares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = tmp_path / "figures.json"
    assert bench_overhead.main(["--quick", "--examples", "32", "--rounds", "1", "--json", str(figures)]) == 0
    written, printed = json.loads(figures.read_text()), capsys.readouterr().out
    assert all(name in printed for name in (*written["seconds"], *written["shares"]))
    assert 0 <= written["shares"]["waiting for batches"]["median"] <= 1
    parts = [value["median"] for name, value in written["seconds"].items() if name.startswith("run: ")]
    assert parts[-1] == pytest.approx(sum(parts[:-1]))


def test_texts_end_at_their_sources_length(tmp_path: Path) -> None:
    write(shape("t5", quick=True), tmp_path, 1)
    bench_generation.end_at_source_length(tmp_path / "model")
    model: Any = T5ForConditionalGeneration.from_pretrained(tmp_path / "model")
    end = model.config.eos_token_id
    for length in (5, 20, 40):
        source = torch.tensor([[*range(10, 10 + length - 1), end]])
        text = model.generate(source, max_new_tokens=128)[0].tolist()
        assert length <= len(text) <= length + 4


def test_lengths_have_the_mean_that_is_asked_for() -> None:
    drawn = lengths(np.random.default_rng(0), 10_000, 24)
    assert abs(sum(drawn) / len(drawn) - 24) < 0.5
    assert min(drawn) >= 4
    assert max(drawn) <= 128


@pytest.mark.parametrize("name", ["minilm", "t5"])
def test_work_is_counted_as_torch_counts_it(name: str) -> None:
    chosen = shape(name, quick=True)
    is_t5 = isinstance(chosen.config, T5Config)
    model = chosen.auto_class.from_config(chosen.config, attn_implementation="eager")
    inputs = {"input_ids": torch.full((1, 9), 10)}
    inputs |= {"decoder_input_ids": torch.full((1, 7), 10)} if is_t5 else {}
    with FlopCounterMode(display=False) as counter:
        model(**inputs)
    expected = counter.get_total_flops()
    if is_t5:  # which knows nothing of causal masks
        config = chosen.config
        expected -= config.num_layers * 2 * 2 * config.num_heads * config.d_kv * (7 * 7 - 7 * 8 // 2)
    assert training_work(chosen.config, [9], [7] if is_t5 else []) == 3 * expected
