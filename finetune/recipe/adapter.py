"""The recipe's `adapter`: a few new weights trained beside a model whose own stay as they are."""

from typing import Literal, Self

from pydantic import PositiveFloat, PositiveInt, model_validator

from finetune.recipe.base import Section, Share

_KEYS = {
    "lora": {"rank", "alpha", "dropout", "targets", "merge"},
    "ia3": {"targets", "merge"},
    "prefix_tuning": {"num_virtual_tokens"},
}
"""Which keys go with which kind."""


class Adapter(Section):
    """An adapter of the peft library, trained with the head while the model's own weights are frozen."""

    kind: Literal["lora", "ia3", "prefix_tuning"] = "lora"
    """lora: low-rank updates of matrices (Hu et al. 2021). ia3: scales of keys, values and feed-forward activations
    (Liu et al. 2022). prefix_tuning: keys and values before the text (Li and Liang 2021), without masks."""
    rank: PositiveInt | None = None
    """lora: rank of the updates; 8 where not given."""
    alpha: PositiveFloat | None = None
    """lora: updates are scaled by alpha / rank; twice the rank where not given."""
    dropout: Share | None = None
    """lora: share of an update's inputs that is dropped in training; 0 where not given."""
    targets: tuple[str, ...] | None = None
    """lora, ia3: names, or ends of names, of the modules that are adapted; where not given the attention's queries and
    values (lora), or keys, values and the feed-forward's second layer (ia3). lora also takes [all-linear]."""
    num_virtual_tokens: PositiveInt | None = None
    """prefix_tuning: keys and values put before the text in each layer; 20 where not given."""
    merge: bool = False
    """lora, ia3: save the whole model with the adapter multiplied in, which any program loads, not the adapter."""

    @model_validator(mode="after")
    def _keys_of_its_kind(self) -> Self:
        given = {key for key in type(self).model_fields if key != "kind" and getattr(self, key) not in (None, False)}
        if odd := sorted(given - _KEYS[self.kind]):
            takes = ", ".join(sorted(_KEYS[self.kind]))
            raise ValueError(f"{self.kind} takes {takes}, found {', '.join(odd)}")
        return self
