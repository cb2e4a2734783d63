"""A small task that a model can learn only through attention, and a training that needs torch and transformers alone.

Each text holds one of four marks somewhere between random words, and the mark is the label. The class is read from the
first token, which sees the mark through a global token.
"""

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification

from finetune.attention.layout import Ragged
from finetune.attention.pretrained import apply_masks
from scripts.benchmarking import Spread
from scripts.gpu_checks.results import Comparison, Measurement, Results
from scripts.gpu_checks.setting import Setting

MASK = "window(2) | global_tokens(0)"
CLS, MARKS, WORDS = 1, range(4, 8), range(8, 64)
"""Ids of the first token, of the marks, and of other words."""
ENOUGH = 0.95
"""The share of right answers on new texts that must be reached; guessing reaches a quarter."""

Example = tuple[list[int], int]


def examples(draw: random.Random, count: int, longest: int) -> list[Example]:
    """Return ids and labels of random texts.

    Args:
        draw: Random numbers.
        count: Number of texts.
        longest: The largest number of tokens of a text.
    """
    found = []
    for _ in range(count):
        words = draw.choices(WORDS, k=draw.randint(3, longest - 2))
        label = draw.randrange(len(MARKS))
        words.insert(draw.randrange(len(words) + 1), MARKS[label])
        found.append(([CLS, *words], label))
    return found


def logits(model: nn.Module, batch: Sequence[Example], device: str) -> Tensor:
    """Return the logits of texts that are laid out as one ragged stream, [texts, labels]."""
    ids = torch.tensor([number for text, _ in batch for number in text], device=device)
    layout = Ragged.from_lengths([len(text) for text, _ in batch]).to(torch.device(device))
    found: Tensor = model(ids[None], layout=layout).logits
    return found


def small_model() -> nn.Module:
    """Return a small BERT with random weights under the mask of the task."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "vocab_size": WORDS.stop,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "num_labels": len(MARKS),
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.1,
    }
    return apply_masks(BertForSequenceClassification(BertConfig(**sizes)), {"encoder": MASK})


def check_learning(setting: Setting) -> Results:
    """Train on ragged streams in bf16 autocast, and ask whether the model answers new texts rightly."""
    steps, longest = (120, 12) if setting.tiny else (200, 24)
    draw, device = random.Random(0), setting.device
    model: Any = small_model().to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, fused=setting.on_gpu)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 20) * (1 - step / steps))
    losses = []
    for _ in range(steps):
        batch = examples(draw, 64, longest)
        with torch.autocast(device, torch.bfloat16):
            found = logits(model, batch, device)
        loss = nn.functional.cross_entropy(found.float(), labels(batch, device))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
    share = accuracy(model.eval(), examples(random.Random(1), 256, longest), device)
    yield Comparison(f"learns in {steps} steps, share of wrong answers", 1 - share, 1 - ENOUGH)
    yield Measurement("loss of the last ten steps", Spread.of([float(loss) for loss in losses[-10:]]), "nats")


def labels(batch: Sequence[Example], device: str) -> Tensor:
    """Return the labels of texts, int64 [texts]."""
    return torch.tensor([label for _, label in batch], device=device)


@torch.no_grad()
def accuracy(model: nn.Module, batch: Sequence[Example], device: str) -> float:
    """Return the share of texts that a model labels rightly."""
    return float((logits(model, batch, device).argmax(-1) == labels(batch, device)).double().mean())
