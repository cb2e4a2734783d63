"""Training steps of BERT-base and T5-base sized models: ragged streams, and transformers with dynamic padding, tuned.

Both train the same random weights on the same batches, with bf16 autocast and fused AdamW. Batches are grouped by
length as transformers' Trainer does. Lengths are distributed as those of SST-2 (mean 24 tokens) and WMT (mean 28).
Attention weights are not dropped: so every kernel can be used, also those that have no dropout.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification, T5Config, T5ForConditionalGeneration

from finetune.attention.layout import Ragged
from finetune.attention.pretrained import apply_masks
from scripts.benchmarking import Spread
from scripts.gpu_checks.results import Comparison, LeftOut, Measurement, Results, attempt
from scripts.gpu_checks.setting import Setting, is_installed, why_not_compiled
from scripts.gpu_checks.timing import matmul_speed, peak_gib, take_turns
from scripts.workload import lengths, target_length, training_work

IGNORE_INDEX = -100
GROUP = 50
"""Number of batches whose examples transformers' Trainer sorts by length together."""
SAME_LOSS = 2e-2
"""The largest difference of a loss in bf16 before training from that of padded rows in fp32, relative to it."""
TITLES = {"bert": "BERT-base, lengths of SST-2", "t5": "T5-base, lengths of WMT"}
PADDED, FLASH = "transformers, padded, sdpa", "transformers, padded, flash attention 2"
RAGGED, RAGGED_FLEX = "finetune, streams", "finetune, streams, flex"


@dataclass(frozen=True)
class Texts:
    """The texts of one batch.

    Args:
        sources: int64 [tokens] each, on the CPU.
        targets: int64 [tokens] each, on the CPU: the target of T5; for BERT one number, the label.
    """

    sources: Sequence[Tensor]
    targets: Sequence[Tensor]

    @property
    def is_pair(self) -> bool:
        """Whether targets are texts."""
        return any(len(target) > 1 for target in self.targets)

    @property
    def tokens(self) -> int:
        """Number of tokens of sources and, where they are texts, of targets."""
        return sum(map(len, self.sources)) + (sum(map(len, self.targets)) if self.is_pair else 0)


def config(name: str, *, tiny: bool) -> BertConfig | T5Config:
    """Return the configuration of a model.

    Args:
        name: "bert" or "t5".
        tiny: Whether it is a tiny one, for tests.
    """
    small: dict[str, Any]
    if name == "bert":
        small = {"vocab_size": 200, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
        sizes: dict[str, Any] = {**small, "intermediate_size": 64} if tiny else {}
        return BertConfig(**sizes, attention_probs_dropout_prob=0.0)
    base: dict[str, Any] = {"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
    small = {"vocab_size": 200, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    t5 = T5Config(**(small if tiny else base), dropout_rate=0.0)
    t5.decoder_start_token_id = t5.pad_token_id  # as the published models have it
    return t5


def batches(name: str, count: int, batch_size: int, vocabulary: int, seed: int = 0) -> list[Texts]:
    """Return random batches, spread evenly over groups of `GROUP` batches whose examples are sorted by length.

    Args:
        name: "bert" or "t5".
        count: Number of batches.
        batch_size: Number of texts of a batch.
        vocabulary: Number of token ids.
        seed: Seed of lengths and ids.
    """
    generator = np.random.default_rng(seed)
    sources = lengths(generator, GROUP * batch_size, 28 if name == "t5" else 24)
    pairs = [(length, target_length(generator, length) if name == "t5" else 1) for length in sources]
    pairs.sort(reverse=True)
    ids = torch.Generator().manual_seed(seed)

    def text(length: int, stop: int = vocabulary, first: int = 3) -> Tensor:
        return torch.randint(first, stop, (length,), generator=ids)

    found = []
    for number in range(count):
        start = (number * GROUP // count) * batch_size
        chosen = pairs[start : start + batch_size]
        targets = [text(target) if name == "t5" else text(1, 2, 0) for _, target in chosen]
        found.append(Texts([text(source) for source, _ in chosen], targets))
    return found


def padded(texts: Texts, device: str) -> dict[str, Any]:
    """Return the arguments of a stock model for rows padded to a multiple of 8, labels among them."""
    found = {
        "input_ids": rows(texts.sources, 0),
        "attention_mask": rows([torch.ones_like(s) for s in texts.sources], 0),
    }
    found["labels"] = rows(texts.targets, IGNORE_INDEX) if texts.is_pair else torch.cat(list(texts.targets))
    return {name: tensor.to(device) for name, tensor in found.items()}


def rows(texts: Sequence[Tensor], fill: int) -> Tensor:
    """Return texts as rows padded to a multiple of 8 tokens, for which tensor cores are fastest."""
    longest = -(-max(map(len, texts)) // 8) * 8
    return torch.stack([nn.functional.pad(text, (0, longest - len(text)), value=fill) for text in texts])


def ragged(texts: Texts, device: str) -> dict[str, Any]:
    """Return the arguments of a model with masks for a ragged stream, labels among them."""
    layout = partial(_layout, device=device)
    found: dict[str, Any] = {
        "input_ids": torch.cat(list(texts.sources))[None].to(device),
        "layout": layout(texts.sources),
        "labels": torch.cat(list(texts.targets)).to(device),
    }
    if texts.is_pair:
        shifted = [torch.cat([target.new_zeros(1), target[:-1]]) for target in texts.targets]
        found |= {"decoder_input_ids": torch.cat(shifted)[None].to(device), "decoder_layout": layout(texts.targets)}
    return found


def _layout(texts: Sequence[Tensor], device: str) -> Ragged:
    return Ragged.from_lengths([len(text) for text in texts]).to(torch.device(device))


class Way:
    """A way to train: a model with its optimizer, and the batches in its form, on the device.

    Args:
        model: The model, which is trained.
        inputs: The arguments of the model for each batch.
        device: Type of the device.
    """

    fp32_loss: float = float("nan")

    def __init__(self, model: nn.Module, inputs: Sequence[dict[str, Any]], device: str) -> None:
        self.model = model.to(device).train()
        self.inputs = inputs
        self.device = device
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-5, fused=True)

    def __call__(self) -> None:
        """Take one step on each batch."""
        for inputs in self.inputs:
            self.loss(inputs).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.optimizer.zero_grad()

    @torch.no_grad()
    def untrained_loss(self, *, fp32: bool = False) -> float:
        """Return the loss of the first batch without dropout, in bf16 autocast or in fp32."""
        self.model.eval()
        loss = float(self.loss(self.inputs[0], fp32=fp32))
        self.model.train()
        return loss

    def loss(self, inputs: dict[str, Any], *, fp32: bool = False) -> Tensor:
        """Return the mean loss of a batch, computed in bf16 autocast or in fp32."""
        with torch.autocast(self.device, torch.bfloat16, enabled=not fp32):
            loss: Tensor
            if "layout" not in inputs:
                loss = self.model(**inputs).loss
                return loss
            labels = inputs["labels"]
            options = {"use_cache": False} if "decoder_layout" in inputs else {}
            logits = self.model(**{name: one for name, one in inputs.items() if name != "labels"}, **options).logits
            return nn.functional.cross_entropy(logits.reshape(len(labels), -1), labels)

    @property
    def gib(self) -> float:
        """GiB of the weights and of the optimizer's state."""
        states = [each for state in self.optimizer.state.values() for each in state.values()]
        tensors = [*self.model.parameters(), *(each for each in states if isinstance(each, Tensor))]
        return sum(each.numel() * each.element_size() for each in tensors) / 2**30


def measure_steps(name: str, setting: Setting) -> Results:
    """Measure steps of all ways in turn, first without FlexAttention, whose compilation can take long.

    Args:
        name: "bert" or "t5".
        setting: The device and the sizes.
    """
    torch.set_float32_matmul_precision("high")
    shape = config(name, tiny=setting.tiny)
    batch_size, count = (4, 2) if setting.tiny else (128, 4 if setting.quick else 8)
    drawn = batches(name, count, batch_size, int(shape.vocab_size or 0))
    made: dict[str, Way] = {}
    for way in (PADDED, *([FLASH] if has_flash(name, setting) else []), RAGGED):
        yield attempt(f"{TITLES[name]}, {way}", partial(prepare, made, way, shape, drawn, setting))
    if RAGGED not in made or PADDED not in made:
        return
    yield from report(name, made, drawn, setting, setting.seconds_left * 0.4)
    reason = why_not_compiled(setting)
    if reason is not None:
        yield LeftOut(f"{TITLES[name]}, {RAGGED_FLEX}", reason)
        return
    yield attempt(f"{TITLES[name]}, {RAGGED_FLEX}", partial(prepare, made, RAGGED_FLEX, shape, drawn, setting))
    if RAGGED_FLEX in made:
        two = {PADDED: made[PADDED], RAGGED_FLEX: made[RAGGED_FLEX]}
        yield from report(name, two, drawn, setting, setting.seconds_left * 0.6)


def has_flash(name: str, setting: Setting) -> bool:
    """Return whether transformers can use flash attention 2 here; its T5 cannot."""
    return setting.on_gpu and name == "bert" and is_installed("flash_attn")


def prepare(
    made: dict[str, Way], way: str, shape: BertConfig | T5Config, drawn: Sequence[Texts], setting: Setting
) -> Comparison:
    """Make a way and take its first steps, which compile kernels; it is in `made` then.

    Returns:
        The loss of the first batch before training, compared with that of padded rows in fp32.
    """
    torch.manual_seed(0)
    kind: Any = T5ForConditionalGeneration if isinstance(shape, T5Config) else BertForSequenceClassification
    own = copy.deepcopy(shape)
    own._attn_implementation = "flash_attention_2" if way == FLASH else "sdpa"
    model = kind(own)
    is_ragged = way in (RAGGED, RAGGED_FLEX)
    if is_ragged:
        apply_masks(model, {}, kernel="flex" if way == RAGGED_FLEX else None)
    inputs = [(ragged if is_ragged else padded)(texts, setting.device) for texts in drawn]
    new = Way(model, inputs, setting.device)
    loss = new.untrained_loss()
    new.fp32_loss = new.untrained_loss(fp32=True) if way == PADDED else made[PADDED].fp32_loss
    new()
    made[way] = new
    return Comparison(f"{way}, loss before training", abs(loss - new.fp32_loss) / abs(new.fp32_loss), SAME_LOSS)


def report(name: str, made: dict[str, Way], drawn: Sequence[Texts], setting: Setting, seconds: float) -> Results:
    """Time the ways, and yield tokens a second, ratios, memory and the share of the peak.

    Args:
        name: "bert" or "t5".
        made: The ways, warm.
        drawn: The batches.
        setting: The device and the sizes.
        seconds: About how long to measure.
    """
    title, tokens = TITLES[name], sum(texts.tokens for texts in drawn)
    timings = take_turns(made, seconds, 3 if setting.tiny else 30)
    peak = matmul_speed(setting).median * 1e12
    sources = [len(source) for texts in drawn for source in texts.sources]
    targets = [len(target) for texts in drawn for target in texts.targets] if name == "t5" else []
    work = training_work(made[RAGGED].model.config, sources, targets)  # type: ignore[arg-type]
    for way, own in made.items():
        taken = timings.seconds[way]
        yield Measurement(f"{title}: {way}", Spread.of([tokens / each for each in taken]), "tokens/s")
        yield Measurement(f"{title}: {way}", Spread.of([work / each / peak for each in taken]), "share of the peak")
        if way != PADDED:
            yield Measurement(f"{title}: {way} over {PADDED}", timings.speedup(way, over=PADDED), "times")
        if setting.on_gpu:
            yield Measurement(f"{title}: {way}", Spread.of([own.gib + peak_gib(own)]), "GiB")
