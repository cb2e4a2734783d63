"""The recipe's `adapter`: a few new weights that are trained while the model's own weights stay as they are."""

from typing import Annotated, Literal, Self

from pydantic import model_validator

from finetune.recipe.base import Positive, Section, Share, whole_numbers

_KEYS = {
    "lora": {"rank", "alpha", "dropout", "targets", "merge"},
    "ia3": {"targets", "merge"},
    "prefix_tuning": {"num_virtual_tokens"},
}
"""The keys that each kind takes."""


class Adapter(Section):
    """An adapter of the peft library, trained with the head while the model's own weights are frozen."""

    kind: Literal["lora", "ia3", "prefix_tuning"] = "lora"
    """The method. lora adds low-rank updates to weight matrices (Hu et al. 2021). ia3 scales keys, values and
    feed-forward activations (Liu et al. 2022). prefix_tuning puts learned keys and values before the text (Li and Liang
    2021), and cannot be combined with masks."""
    rank: Annotated[int, whole_numbers(1, 2**16)] | None = None
    """The rank of LoRA's updates. The default is 8."""
    alpha: Positive | None = None
    """LoRA's updates are multiplied by alpha / rank. The default is twice the rank."""
    dropout: Share | None = None
    """The probability with which inputs of LoRA's updates are dropped in training. The default is 0."""
    targets: tuple[str, ...] | None = None
    """The modules that lora and ia3 adapt: their names, or the ends of their names. The default is the attention's
    queries and values for lora, and keys, values and the second feed-forward layer for ia3. lora also takes
    [all-linear]."""
    num_virtual_tokens: Annotated[int, whole_numbers(1, 2**16)] | None = None
    """The number of learned keys and values that prefix_tuning puts before the text in each layer. The default is
    20."""
    merge: bool = False
    """Whether lora and ia3 are multiplied into the weights when the model is saved, so that any program loads it.
    Otherwise the adapter alone is saved."""

    @model_validator(mode="after")
    def _keys_of_its_kind(self) -> Self:
        given = {key for key in type(self).model_fields if key != "kind" and getattr(self, key) not in (None, False)}
        if odd := sorted(given - _KEYS[self.kind]):
            takes = ", ".join(sorted(_KEYS[self.kind]))
            raise ValueError(f"{self.kind} takes {takes}, found {', '.join(odd)}")
        return self
