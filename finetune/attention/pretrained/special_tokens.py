"""The special tokens that masks name, such as `global_tokens(cls)`, and their ids."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune.attention.masks.base import Needs
from finetune.attention.masks.named_tokens import mark_column

CONFIG_NAMES = ("bos", "eos", "pad", "cls", "sep")
"""Special tokens whose ids a model's config may hold, as `bos_token_id` and so on."""


def special_token_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Return the ids of a tokenizer's special tokens by the names that masks use: cls, sep, eos, extra_id_0 and so on.

    A token without a role, such as `<extra_id_0>`, is named by its text with other characters than letters, digits and
    underscores replaced by underscores.
    """
    roles = {name.removesuffix("_token"): text for name, text in tokenizer.special_tokens_map.items()}
    texts = {name: text for name, text in roles.items() if isinstance(text, str)}
    others = {re.sub(r"\W+", "_", text).strip("_"): text for text in tokenizer.all_special_tokens}
    named = {name: text for name, text in {**others, **texts}.items() if name}
    ids = tokenizer.get_vocab()
    return {name: ids[text] for name, text in named.items() if text in ids}


def needed_token_ids(
    model: PreTrainedModel, given: Mapping[str, int | Sequence[int]], needs: Needs
) -> dict[str, tuple[int, ...]]:
    """Return the ids of the special tokens that masks read.

    Args:
        model: The model, whose config gives the ids of `CONFIG_NAMES` where they are not in `given`.
        given: One id or several for each name of a special token.
        needs: What the masks read.

    Returns:
        The ids by name. A name for which no id is known is left out; a mask that reads it raises an error when it is
        evaluated without that column.
    """
    from_config = {name: getattr(model.config, f"{name}_token_id", None) for name in CONFIG_NAMES}
    known = {name: ids for name, ids in {**from_config, **given}.items() if ids is not None}
    needed = {name: ids for name, ids in known.items() if mark_column(name) in needs.columns}
    return {name: (ids,) if isinstance(ids, int) else tuple(ids) for name, ids in needed.items()}
