"""Attention over long texts under a window: finetune, sdpa with the mask and without, and plain FlexAttention.

Forward and backward of one layer in bf16, 12 heads of 64, one text. Masks, block masks and plans are made before; the
time that a plan takes is reported by itself, since one plan serves all layers of a step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.tiled import tiled_attention
from finetune.attention.layout import Ragged
from finetune.attention.masks import parse
from finetune.attention.planning import plan
from scripts.benchmarking import Spread, Timings
from scripts.gpu_checks.results import Comparison, LeftOut, Measurement, Results, attempt
from scripts.gpu_checks.setting import Setting, why_not_compiled
from scripts.gpu_checks.timing import peak_gib, take_turns

WINDOW = 128
MASK = f"window({WINDOW}) | global_tokens(0)"
MASKED, FULL, PLAIN_FLEX = "sdpa with the mask", "sdpa without a mask", "plain FlexAttention"
OURS, OURS_FLEX = "finetune", "finetune, flex"
TOLERANCE = 3e-2
"""The largest difference of outputs and gradients in bf16, relative to the largest number of each."""

Step = Callable[[], list[Tensor]]
"""Computes forward and backward; returns the output and the gradients, [tokens, heads, head_dim] each."""


@dataclass(frozen=True)
class Layer:
    """The inputs of a layer, bf16 [tokens, heads, head_dim] each.

    Args:
        query: The queries.
        key: The keys.
        value: The values.
        gradient: The gradient of the output.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    gradient: Tensor

    @classmethod
    def drawn(cls, length: int, setting: Setting) -> "Layer":
        """Return random inputs for a text of so many tokens."""
        heads, head_dim = (2, 16) if setting.tiny else (12, 64)
        generator = torch.Generator().manual_seed(0)
        tensors = [torch.randn(length, heads, head_dim, generator=generator) for _ in range(4)]
        return cls(*(tensor.to(setting.device, torch.bfloat16) for tensor in tensors))

    def step(self, attend: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Step:
        """Return the step of a function that computes attention of [tokens, heads, head_dim]."""
        leaves = [each.clone().requires_grad_() for each in (self.query, self.key, self.value)]

        def step() -> list[Tensor]:
            output = attend(leaves[0], leaves[1], leaves[2])
            return [output.detach(), *torch.autograd.grad(output, leaves, self.gradient)]

        return step


def measure_windows(length: int, setting: Setting) -> Results:
    """Measure all ways in turn for a text of so many tokens.

    Args:
        length: Number of tokens.
        setting: The device and the sizes.
    """
    layer = Layer.drawn(length, setting)
    steps: dict[str, Step] = {}
    reason = why_not_compiled(setting)
    names = [MASKED, FULL, OURS, *([PLAIN_FLEX, OURS_FLEX] if reason is None else [])]
    for name in names:
        yield attempt(f"{length} tokens, {name}", partial(prepare, steps, name, layer, setting))
    if reason is not None:
        yield LeftOut(f"{length} tokens, {PLAIN_FLEX}", reason)
    if OURS in steps or OURS_FLEX in steps:
        making = {"making the plan": partial(_plan, length, layer, setting, None)}
        most = 3 if setting.tiny else 50
        timings = take_turns({**steps, **making}, setting.seconds_left * 0.6, most)
        yield from report(length, steps, timings, setting)


def prepare(steps: dict[str, Step], name: str, layer: Layer, setting: Setting) -> Comparison:
    """Make the step of a way, which is in `steps` then, and compare what it computes.

    Returns:
        The largest error: of the output of some queries against float64, and of everything against torch's attention
        with the same mask.
    """
    step = layer.step(WAYS[name](layer, setting))
    found = step()
    steps[name] = step
    pairs = [(found[0][some_queries(layer)], exact_rows(layer, is_full=name == FULL))]
    if name not in (MASKED, FULL) and MASKED in steps:
        pairs += zip(found, steps[MASKED](), strict=True)
    error = max(float((one.double() - other).abs().max() / other.abs().max()) for one, other in pairs)
    return Comparison(f"{len(layer.query)} tokens, {name}, output and gradients", error, TOLERANCE)


def some_queries(layer: Layer) -> Tensor:
    """Return the queries whose output is compared with float64: the global one, and some in the middle and at the end.

    For all of them, the scores would take too much memory in float64.
    """
    length = len(layer.query)
    numbers = [0, *range(length // 2, length // 2 + 16), *range(length - 16, length)]
    return torch.tensor(numbers, device=layer.query.device)


def exact_rows(layer: Layer, *, is_full: bool) -> Tensor:
    """Return the output of `some_queries` in float64, [queries, heads, head_dim].

    Args:
        layer: The inputs.
        is_full: Whether all pairs are allowed, and not those of the mask alone.
    """
    query, key, value = (each.double().transpose(0, 1)[None] for each in (layer.query, layer.key, layer.value))
    q, k = some_queries(layer)[:, None], torch.arange(key.shape[2], device=key.device)
    allowed = ((q - k).abs() <= WINDOW) | (q == 0) | (k == 0) | is_full  # bool [queries, keys]
    output, _ = dense_attention(query[:, :, q[:, 0]], key, value, allowed)
    return output[0].transpose(0, 1)


def report(length: int, steps: Mapping[str, Step], timings: Timings, setting: Setting) -> Results:
    """Yield milliseconds of each way, ratios of finetune to the others, and memory.

    Args:
        length: Number of tokens.
        steps: The ways.
        timings: Their times.
        setting: The device and the sizes.
    """
    for name in timings.seconds:
        yield Measurement(f"{length} tokens: {name}", timings.of(name).times(1e3), "ms")
    for own in (OURS, OURS_FLEX):
        for peer in (MASKED, FULL, PLAIN_FLEX):
            if own in steps and peer in steps:
                yield Measurement(f"{length} tokens: {own} over {peer}", timings.speedup(own, over=peer), "times")
    if setting.on_gpu:
        for name, step in steps.items():
            yield Measurement(f"{length} tokens: {name}", Spread.of([peak_gib(step)]), "GiB")


def masked_sdpa(layer: Layer, setting: Setting) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return torch's attention with the mask as a boolean matrix."""
    allowed = parse(MASK).dense(len(layer.query), device=setting.device)[None]  # bool [1, 1, tokens, tokens]
    return partial(_sdpa, allowed=allowed)


def full_sdpa(layer: Layer, setting: Setting) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return torch's attention of all pairs, for which torch has its fastest kernels."""
    return partial(_sdpa, allowed=None)


def _sdpa(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None) -> Tensor:
    rows = [each.transpose(0, 1)[None] for each in (query, key, value)]  # [1, heads, tokens, head_dim]
    return F.scaled_dot_product_attention(rows[0], rows[1], rows[2], allowed)[0].transpose(0, 1)


def plain_flex(layer: Layer, setting: Setting) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return compiled FlexAttention with the mask as its documentation writes it, and a block mask made before."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    def allowed(batch: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return ((q - k).abs() <= WINDOW) | (q == 0) | (k == 0)

    length = len(layer.query)
    block_mask = create_block_mask(allowed, None, None, length, length, device=setting.device)
    compiled: Any = torch.compile(flex_attention)

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        rows = [each.transpose(0, 1)[None] for each in (query, key, value)]  # [1, heads, tokens, head_dim]
        output: Tensor = compiled(rows[0], rows[1], rows[2], block_mask=block_mask)
        return output[0].transpose(0, 1)

    return attend


def ours(kernel: str | None, layer: Layer, setting: Setting) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return finetune's attention with a plan that is ready.

    Args:
        kernel: The kernel of the plan; None leaves it to the cost.
        layer: The inputs.
        setting: The device and the sizes.
    """
    return partial(tiled_attention, plan=_plan(len(layer.query), layer, setting, kernel))


def _plan(length: int, layer: Layer, setting: Setting, kernel: str | None) -> Any:
    _, heads, head_dim = layer.query.shape
    layout = Ragged.from_lengths([length]).to(torch.device(setting.device))
    return plan(parse(MASK), layout, layout, heads, head_dim=head_dim, kernel=kernel)


WAYS: Mapping[str, Callable[[Layer, Setting], Callable[[Tensor, Tensor, Tensor], Tensor]]] = {
    MASKED: masked_sdpa,
    FULL: full_sdpa,
    PLAIN_FLEX: plain_flex,
    OURS: partial(ours, None),
    OURS_FLEX: partial(ours, "flex"),
}
