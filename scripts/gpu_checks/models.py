"""BERT, ModernBERT and T5 under programs of masks: on the device as on the CPU, in logits, gradients and beams."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForTokenClassification,
    ModernBertConfig,
    ModernBertForTokenClassification,
    T5Config,
    T5ForConditionalGeneration,
)

from finetune.attention.layout import Ragged
from finetune.attention.pretrained import apply_masks, generate
from scripts.gpu_checks.results import Comparison, Results, attempt
from scripts.gpu_checks.setting import Setting

VOCABULARY, PAD, END, CLS, SEP = 64, 0, 1, 2, 3
LABELS = 5
FAMILIES = ("BERT", "ModernBERT", "T5")
TOLERANCES = {"fp64": 1e-5, "fp32": 2e-4, "bf16": 8e-2}
"""The largest error of logits and gradients by type, relative to the largest number of each tensor. T5's norm and the
softmax of streams compute float64 in float32 in parts; bf16 is autocast, whose error grows with the layers."""
PROGRAMS: Mapping[str, Mapping[str, Any]] = {
    "standard": {},
    "window": {"encoder": "window(3) | global_tokens(0)", "decoder": "window(4)", "cross": "window(6)"},
    "by layer and head": {
        "encoder": {"mask": "window(2)", "layers": {"-1": "per_head(full(), blocks(4))"}},
        "cross": {"mask": "full()", "layers": {"0": "~keys(0)"}},
    },
    "alibi": {"encoder": "window(5) + alibi()", "decoder": "causal() + alibi()"},
}
"""Programs; the sites of the decoder are left out for models that have none."""


@dataclass(frozen=True)
class Batch:
    """Random texts of different lengths.

    Args:
        sources: int64 [tokens] each, the ids of each source.
        targets: int64 [tokens] each, the ids of each target of T5; labels of the same length as the source for others.
    """

    sources: Sequence[Tensor]
    targets: Sequence[Tensor]

    @classmethod
    def drawn(cls, lengths: Sequence[int], target_lengths: Sequence[int] | None) -> "Batch":
        """Return random texts of the given lengths; without target lengths, targets are labels of each token."""
        generator = torch.Generator().manual_seed(0)

        def draw(low: int, high: int, sizes: Sequence[int]) -> list[Tensor]:
            return [torch.randint(low, high, (size,), generator=generator) for size in sizes]

        sources = draw(4, VOCABULARY, lengths)
        return cls(sources, draw(4, VOCABULARY, target_lengths) if target_lengths else draw(0, LABELS, lengths))


def build(family: str, *, large: bool = False) -> nn.Module:
    """Return a small model with random weights, without dropout.

    Args:
        family: "BERT", "ModernBERT" or "T5".
        large: Whether sizes are those that the kernels of GPUs are made for, in place of tiny ones.
    """
    torch.manual_seed(0)
    size, layers, heads = (256, 4, 4) if large else (32, 2, 4)
    shared: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": size,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 2 * size,
        "pad_token_id": PAD,
        "num_labels": LABELS,
    }
    model: Any
    if family == "BERT":
        model = BertForTokenClassification(BertConfig(**shared, initializer_range=0.05))
    elif family == "ModernBERT":
        ids: dict[str, Any] = {"cls_token_id": CLS, "bos_token_id": CLS, "sep_token_id": SEP, "eos_token_id": SEP}
        local: dict[str, Any] = {"local_attention": 8, "global_attn_every_n_layers": 2}
        model = ModernBertForTokenClassification(ModernBertConfig(**shared, **ids, **local))
    else:
        config = T5Config(
            vocab_size=VOCABULARY,
            d_model=size,
            d_kv=size // heads,
            d_ff=2 * size,
            num_layers=layers,
            num_heads=heads,
            pad_token_id=PAD,
            eos_token_id=END,
            dropout_rate=0.0,
            initializer_factor=0.3,
            feed_forward_proj="gated-gelu",  # smooth: with ReLU a sign that rounding turns over changes a gradient
        )
        config.decoder_start_token_id = PAD
        model = T5ForConditionalGeneration(config)
    built: nn.Module = model.eval()
    return built


def check_models(setting: Setting) -> Results:
    """Compare models on the device with those on the CPU in float64, as padded rows and as ragged streams."""
    torch.set_float32_matmul_precision("highest")
    for name in PROGRAMS:
        for family in FAMILIES:
            expected = None
            for way in ("padded", "ragged"):
                for precision in TOLERANCES:
                    if expected is None:
                        expected = computed(family, name, "padded", "fp64", "cpu", large=not setting.tiny)
                    yield attempt(
                        f"{family}, {name}, {way}, {precision}",
                        partial(compare, family, name, way, precision, setting, expected),
                    )
    for beams in (1, 4):
        yield attempt(f"T5, {beams} beams", partial(compare_generation, beams, setting))


def compare(
    family: str, program: str, way: str, precision: str, setting: Setting, expected: Mapping[str, Tensor]
) -> Comparison:
    """Compare logits and gradients on the device with those of padded rows in float64 on the CPU.

    Args:
        family: The model.
        program: Name of the program of masks.
        way: "padded" or "ragged".
        precision: "fp64", "fp32" or "bf16".
        setting: The device and the sizes.
        expected: Logits of the tokens and gradients, as `computed` returns them.
    """
    found = computed(family, program, way, precision, setting.device, large=not setting.tiny)
    name = f"{family}, {program}, {way}, {precision}"
    return Comparison(name, largest_error(found, expected), TOLERANCES[precision])


def largest_error(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """Return the largest difference relative to the largest number of each tensor; infinite where one is NaN.

    A gradient that is much smaller than those of other weights, such as that of a key's bias, which is 0 but for
    rounding, counts as a twentieth of the largest.

    Args:
        found: Logits and gradients by name.
        expected: Those of the reference.
    """
    if not all(bool(each.isfinite().all()) for each in found.values()):
        return float("inf")
    least = max(float(each.abs().max()) for name, each in expected.items() if name != "logits") / 20
    return max(
        float((found[name] - each).abs().max()) / max(float(each.abs().max()), 0.0 if name == "logits" else least)
        for name, each in expected.items()
    )


def computed(
    family: str, program: str, way: str, precision: str, device: str, *, large: bool = False
) -> dict[str, Tensor]:
    """Return the logits of the tokens and the gradients of all weights, float64 on the CPU, by name.

    Args:
        family: The model.
        program: Name of the program of masks.
        way: "padded" or "ragged".
        precision: "fp64", "fp32" or "bf16", which is autocast of float32 weights.
        device: Where it is computed.
        large: Whether the model and the texts are larger.
    """
    is_t5 = family == "T5"
    sites = {site: mask for site, mask in PROGRAMS[program].items() if is_t5 or site == "encoder"}
    model = apply_masks(build(family, large=large), sites)
    model = model.to(device, torch.float64 if precision == "fp64" else torch.float32)
    lengths = [70, 3, 129, 1, 40] if large else [7, 3, 12, 1, 5]
    batch = Batch.drawn(lengths, [max(1, length * 3 // 4) for length in lengths] if is_t5 else None)
    inputs = {name: each.to(device) if isinstance(each, Tensor) else each for name, each in INPUTS[way](batch, is_t5)}
    if is_t5:
        inputs["use_cache"] = False
    with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
        logits = model(**inputs).logits
    targets = torch.cat(list(batch.targets)).to(device)
    own = logits[0] if way == "ragged" else logits[mask_of(batch.targets).to(device)]  # [tokens, classes]
    loss = nn.functional.cross_entropy(own.to(targets.device, torch.promote_types(own.dtype, torch.float32)), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    return {name: each.detach().double().cpu() for name, each in {"logits": own, **gradients}.items()}


def padded_inputs(batch: Batch, is_t5: bool) -> list[tuple[str, Any]]:
    """Return the arguments of a model for padded rows."""
    found: list[tuple[str, Any]] = [
        ("input_ids", rows(batch.sources)),
        ("attention_mask", mask_of(batch.sources).long()),
    ]
    if is_t5:
        found.append(("decoder_input_ids", rows([shifted(target) for target in batch.targets])))
        found.append(("decoder_attention_mask", mask_of(batch.targets).long()))
    return found


def ragged_inputs(batch: Batch, is_t5: bool) -> list[tuple[str, Any]]:
    """Return the arguments of a model for a ragged stream."""
    found: list[tuple[str, Any]] = [
        ("input_ids", torch.cat(list(batch.sources))[None]),
        ("layout", Ragged.from_lengths([len(source) for source in batch.sources])),
    ]
    if is_t5:
        found.append(("decoder_input_ids", torch.cat([shifted(target) for target in batch.targets])[None]))
        found.append(("decoder_layout", Ragged.from_lengths([len(target) for target in batch.targets])))
    return found


INPUTS: Mapping[str, Callable[[Batch, bool], list[tuple[str, Any]]]] = {
    "padded": padded_inputs,
    "ragged": ragged_inputs,
}


def shifted(target: Tensor) -> Tensor:
    """Return the inputs of a decoder for one target: the start token, and all of the target but its last token."""
    return torch.cat([target.new_full((1,), PAD), target[:-1]])


def rows(texts: Sequence[Tensor], fill: int = PAD) -> Tensor:
    """Return texts as rows that are padded on the right, [texts, longest]."""
    return nn.utils.rnn.pad_sequence(list(texts), batch_first=True, padding_value=fill)


def mask_of(texts: Sequence[Tensor]) -> Tensor:
    """Return where rows of texts have tokens, bool [texts, longest]."""
    return rows([torch.ones_like(text) for text in texts], 0).bool()


def compare_generation(beams: int, setting: Setting) -> Comparison:
    """Compare the texts that T5 generates on the device and on the CPU under masks; no token may differ.

    Both compute in float64, so that no near tie of two beams is decided by rounding.
    """
    texts = [generated(device, beams, large=not setting.tiny) for device in ("cpu", setting.device)]
    same = texts[0].shape == texts[1].shape
    differing = float((texts[0] != texts[1]).sum()) if same else float("inf")
    return Comparison(f"T5, {beams} beams, ids that differ", differing, 0.0)


def generated(device: str, beams: int, *, large: bool) -> Tensor:
    """Return the ids that T5 generates under masks with a cache, [texts, tokens] on the CPU."""
    program = {"encoder": "window(3) | global_tokens(0)", "decoder": "window(4)", "cross": "full()"}
    model = apply_masks(copy.deepcopy(build("T5", large=large)), program).to(device, torch.float64)
    batch = Batch.drawn([9, 4, 1, 14], None)
    found: Tensor = generate(
        model,
        input_ids=rows(batch.sources).to(device),
        attention_mask=mask_of(batch.sources).long().to(device),
        num_beams=beams,
        max_new_tokens=12,
        do_sample=False,
    )
    return found.cpu()
