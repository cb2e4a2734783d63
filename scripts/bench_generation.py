"""Translation with beam search, compared with transformers' `generate`: sentences and tokens per second.

    python scripts/bench_generation.py

translates sentences with a T5 of small size by

    generate, on padded batches of 32 sentences in their order, in fp32 and in bf16,
    finetune, as it evaluates a test split: batches of similar lengths with a given number of tokens, encoded without
    padding, from which finished sentences are removed, in fp32 and in bf16.

They take turns in one process, and the median and the quartiles of the rounds' ratios are printed. The weights of the
model are random, except for a few that end each text at the length of its source: with random weights no text ends.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal

if __name__ == "__main__":  # the checkout, so that `scripts` is a package
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import torch
from datasets import load_dataset
from torch import Tensor, nn
from transformers import AutoTokenizer, T5ForConditionalGeneration

from finetune.data.batches import BatchLimits, shards
from scripts.benchmark_models import shape, write
from scripts.benchmarking import Spread, interleave, machine, print_table
from scripts.training_variants import LoopVariant
from scripts.variant import Prepared, quiet
from scripts.workload import MAX_LENGTH

BEAMS = 4
BATCH_SIZE = 32
PEER = "generate, fp32"
LOGITS = 4.0
"""Standard deviation of the logits, with which the most likely next token has a probability of about 0.1."""
SMALL = 0.05
"""Standard deviation of the embeddings, which is small compared with the outputs of the layers."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a command."""
    args = _parse(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    chosen = shape("t5", quick=args.quick)
    with tempfile.TemporaryDirectory(prefix="bench_generation_") as folder:
        prepared = Prepared(chosen, Path(folder), 1)
        write(chosen, prepared.folder, 1, test=args.sentences)
        end_at_source_length(prepared.folder / "model")
        translations: dict[str, list[str]] = {}
        ways = _peers(prepared, translations) | _ours(prepared, translations)
        timings = interleave(ways, args.rounds)
    rows = [
        {
            "name": name,
            "sentences_per_second": asdict(Spread.of([args.sentences / second for second in timings.seconds[name]])),
            "speedup": asdict(timings.speedup(name, over=PEER)),
            "same": _share_of_same(translations[name], translations[PEER]),
        }
        for name in ways
    ]
    _print(rows, args.sentences, translations[PEER])
    if args.json:
        figures = {"machine": machine(), "arguments": vars(args), "rows": rows}
        args.json.write_text(json.dumps(figures, indent=1, default=str), encoding="utf-8")
    return 0


def end_at_source_length(folder: Path) -> None:
    """Change the weights of a T5 so that each text ends when it is about as long as its source.

    A few dimensions of the residual stream are reserved. Only the start token has the first one, and only the last
    token of the source has the second one. One head of self-attention and one of cross-attention in the first layer
    average them over the text so far and over the source, which gives 1 / length of the text and 1 / length of the
    source. A neuron outputs their difference once it is positive, and the logit of the end token reads that output.
    """
    model: Any = T5ForConditionalGeneration.from_pretrained(folder)
    tokens, embedding, head = model.config, model.shared.weight, model.decoder.final_layer_norm.weight
    start, last, difference, passed_on = range(4)
    with torch.no_grad():
        # Otherwise the head, whose weights the embeddings are, says what was read last.
        embedding *= SMALL
        head *= LOGITS / SMALL
        _set_apart(model, 4)
        embedding[[tokens.decoder_start_token_id, tokens.eos_token_id]] = 0.0
        embedding[tokens.decoder_start_token_id, start] = embedding[tokens.eos_token_id, last] = 10.0
        embedding[tokens.eos_token_id, passed_on] = 1.0
        head[[start, last, difference]] = 0.0
        attention, cross, feed_forward = model.decoder.block[0].layer
        of_start = attention.layer_norm(embedding[tokens.decoder_start_token_id])
        of_last = model.encoder(torch.tensor([[*range(10, 40), tokens.eos_token_id]])).last_hidden_state[0, -1]
        _average(attention.SelfAttention, start, -1.0 / float(of_start[start]), into=difference)
        attention.SelfAttention.relative_attention_bias.weight[:, 0] = 0.0
        _average(cross.EncDecAttention, last, 1.0 / float(of_last[last]), into=difference)
        neuron = feed_forward.DenseReluDense
        neuron.wi.weight[0] = 0.0
        neuron.wi.weight[0, difference] = 1e5
        neuron.wo.weight[passed_on, 0] = 1.0
    model.save_pretrained(folder)


def _set_apart(model: nn.Module, numbers: int) -> None:
    """Set the first `numbers` dimensions of the residual stream to zero in all embeddings and outputs of layers."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding) and name == "shared":
            module.weight[:, :numbers] = 0.0
        if isinstance(module, nn.Linear) and name.endswith((".o", ".wo")):
            module.weight[:numbers] = 0.0


def _average(attention: Any, number: int, factor: float, *, into: int) -> None:
    """Let head 0 attend uniformly, and write the mean of one dimension, times a factor, into another."""
    width = attention.key_value_proj_dim
    attention.q.weight[:width] = 0.0
    attention.v.weight[:width] = 0.0
    attention.v.weight[0, number] = factor
    attention.o.weight[:, :width] = 0.0
    attention.o.weight[into, 0] = 1.0


def _peers(prepared: Prepared, translations: dict[str, list[str]]) -> dict[str, Callable[[], object]]:
    with quiet():
        model: Any = T5ForConditionalGeneration.from_pretrained(prepared.folder / "model")
        model.train(False)
        tokenizer = AutoTokenizer.from_pretrained(prepared.folder / "model")
    path = str(prepared.folder / "data" / "test.jsonl")
    with quiet():
        texts = load_dataset("json", data_files=path, split="train", cache_dir=str(prepared.folder / "cache"))["source"]

    def translate(name: str, precision: AbstractContextManager[object]) -> None:
        found: list[str] = []
        with torch.inference_mode(), precision:
            for first in range(0, len(texts), BATCH_SIZE):
                batch = texts[first : first + BATCH_SIZE]
                inputs = tokenizer(batch, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
                generated: Tensor = model.generate(**inputs, num_beams=BEAMS, max_new_tokens=MAX_LENGTH)
                found += tokenizer.batch_decode(generated, skip_special_tokens=True)
        translations[name] = found

    in_bf16 = torch.autocast("cpu", torch.bfloat16)
    return {
        PEER: partial(translate, PEER, nullcontext()),
        "generate, bf16": partial(translate, "generate, bf16", in_bf16),
    }


def _ours(prepared: Prepared, translations: dict[str, list[str]]) -> dict[str, Callable[[], object]]:
    def translate(name: str, way: LoopVariant) -> None:
        run = way.run
        limits = BatchLimits(run.recipe.evaluation.batch_size, run.recipe.evaluation.tokens_per_batch)
        batches = shards(run.encoded["test"].lengths, limits, processes=1, rank=0)
        found: dict[int, str] = {}
        with (
            way.at_work(),
            run.matmul.used(),
            torch.inference_mode(),
            run.accelerator.autocast(),
            closing(run.batches("test", batches)) as collated,
        ):
            for batch in collated:
                predictions = run.task.predict(run.model, batch, run.context, final=True)
                found |= {prediction.example: prediction.output["text"] for prediction in predictions}
        translations[name] = [found[number] for number in range(len(found))]

    precisions: tuple[Literal["fp32"], Literal["bf16"]] = ("fp32", "bf16")
    ways = {f"finetune, {precision}": LoopVariant(precision, prepared, precision) for precision in precisions}
    return {name: partial(translate, name, way) for name, way in ways.items()}


def _share_of_same(found: Sequence[str], expected: Sequence[str]) -> float:
    return sum(one == other for one, other in zip(found, expected, strict=True)) / len(expected)


def _print(rows: Sequence[dict[str, Any]], sentences: int, texts: Sequence[str]) -> None:
    words = sum(len(text.split()) for text in texts) / len(texts)
    columns = ["", "sentences/s", f"x {PEER}", "same texts"]
    cells = [
        [
            row["name"],
            Spread(**row["sentences_per_second"]),
            Spread(**row["speedup"]),
            f"{row['same']:.0%}",
        ]
        for row in rows
    ]
    title = f"{sentences} sentences, {BEAMS} beams, outputs of {words:.0f} words on average"
    print_table(title, columns, cells)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="torch's own number where not given")
    parser.add_argument("--quick", action="store_true", help="a tiny model, to see that it runs")
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
