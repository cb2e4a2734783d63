"""Which tokens influence the representations that a model's head reads, under the recipe's masks.

Masks are followed through all layers (`finetune.attention.reachability`). Two mistakes are found before training. A
decoder whose predictions can be influenced by the very tokens that are to be predicted raises an error: its training
loss would be low, and it could not generate. Text that does not reach the representations which the head reads gives a
warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from finetune.attention import Program, pretrained
from finetune.attention.masks import global_tokens
from finetune.attention.program import SiteName
from finetune.attention.reachability import SitePairs, reached_by_decoder, reached_tokens
from finetune.data.batches import Indices
from finetune.data.features import Features
from finetune.errors import UserError
from finetune.tasks.base import Task
from finetune.tasks.batch import IGNORE_INDEX, Batch
from finetune.tasks.context import TaskContext
from finetune.tasks.mask_fields import PREFIX
from finetune.tasks.tensors import example_rows

FEW_TOKENS = 8
"""The number of tokens below which a position counts as poorly informed, if they are less than half of its text."""
_POOR_SHARE = 0.1
"""The share of poorly informed positions from which on a warning is given."""
_EXAMPLES = 8
"""The number of examples that are examined."""
_LONG = 512
"""The length in tokens of the longest example that is examined, where there are shorter ones."""
_LONGEST = 8192
"""The length in tokens of the longest example that is examined at all: masks need memory of length x length."""
_SHOWN = 8
"""The number of hidden tokens that a message lists."""


@dataclass(frozen=True, eq=False)
class View:
    """The tokens of one example that influence the representations which the head reads.

    Args:
        example: The index of the example in its split.
        readers: The positions of the representations that the head reads, in the output of the decoder, or of the
            encoder where there is no decoder. int64 [readers]
        pairs: The pairs of positions that the masks of each layer allow.
        tokens: The tokens of the source.
        is_text: Whether each token of the source is text, and not a special token. bool [tokens]
        reader: The name of a reader in messages: "[CLS]", "a labelled token" or "a target position".
    """

    example: int
    readers: Tensor
    pairs: SitePairs
    tokens: tuple[str, ...]
    is_text: Tensor
    reader: str

    def reached(self, depth: int | None = None) -> dict[SiteName, Tensor]:
        """Return the tokens that influence each reader after the first layers of the stack that the head reads.

        Args:
            depth: The number of layers; all where not given.

        Returns:
            A mask bool [readers, tokens] for each site: "encoder" where there is no decoder; otherwise "decoder", over
            the decoder's inputs, and "cross", over the tokens of the source.
        """
        if not self.pairs.decoder:
            return {"encoder": reached_tokens(self.readers, self.pairs.encoder[:depth])}
        pairs = SitePairs(self.pairs.encoder, self.pairs.decoder[:depth], self.pairs.cross[:depth])
        target, source = reached_by_decoder(self.readers, pairs)
        return {"decoder": target, "cross": source}

    @cached_property
    def final(self) -> Mapping[SiteName, Tensor]:
        """The result of `reached` after all layers."""
        return self.reached()

    def available(self, site: SiteName) -> Tensor:
        """Return how many tokens could influence each reader, in a decoder those up to it: int64 [readers]."""
        if site == "decoder":
            return self.readers + 1
        return torch.full_like(self.readers, len(self.tokens))

    @property
    def depth(self) -> int:
        """The number of layers of the stack that the head reads."""
        return len(self.pairs.decoder or self.pairs.encoder)


def choose_examples(lengths: Indices, features: Features) -> Indices:
    """Choose a few examples of all lengths, and those with the greatest values that masks like prefix(column) read.

    Args:
        lengths: The number of tokens of each example, source and target together. int64 [examples]
        features: The encoded examples.

    Returns:
        The indices of the chosen examples, int64 [chosen]. Examples of more than 512 tokens are left out where there
        are shorter ones.
    """
    order = np.argsort(lengths, kind="stable")
    short = order[: max(int((lengths <= _LONG).sum()), 1)]
    short = short[lengths[short] <= _LONGEST]
    if not len(short):
        return short
    spaced = short[np.linspace(0, len(short) - 1, _EXAMPLES).astype(np.int64)]
    values = [
        column.values for name, column in features.columns.items() if name.startswith(PREFIX) and column.offsets is None
    ]
    greatest = [short[int(np.argmax(of_value[short]))] for of_value in values]
    return np.unique(np.array([*spaced, *greatest], dtype=np.int64))


def view_examples(task: Task, context: TaskContext, model: PreTrainedModel, batch: Batch) -> tuple[View, ...]:
    """Return the views of the examples of a batch that have a target.

    Args:
        task: The task, whose head reads the representations.
        context: The context of the task.
        model: A model to which masks were applied.
        batch: A batch of examples with references, on the model's device.

    Raises:
        ValueError: The model cannot compute under its masks.
    """
    with torch.inference_mode():
        pairs = pretrained.layer_pairs(model, lambda: task.loss(model, batch, 0.0))
    ids = _source_ids(batch)
    special = {*context.tokenizer.all_special_ids} - {context.tokenizer.unk_token_id}
    readers, name = _readers(task, context, model, batch, ids)
    rows = zip(batch.examples, readers, pairs, ids, strict=True)
    return tuple(
        View(
            example,
            torch.tensor(positions),
            of_example,
            tuple(context.tokenizer.convert_ids_to_tokens(tokens)),
            torch.tensor([token not in special for token in tokens]),
            name,
        )
        for example, positions, of_example, tokens in rows
        if positions
    )


def refuse_label_leak(views: Sequence[View], program: Program) -> None:
    """Raise an error where the prediction of a target token can be influenced by that token or a later one.

    At position p the decoder reads token p - 1 of the target, and predicts token p.

    Args:
        views: The views of examples of a task whose decoder is trained on its own labels.
        program: The recipe's masks.

    Raises:
        UserError: The decoder can see its labels.
    """
    for view in views:
        target = view.final["decoder"]
        ahead = target & (torch.arange(target.shape[1]) > view.readers[:, None])
        if ahead.any():
            row = int(ahead.any(1).nonzero()[0])
            token, last = int(view.readers[row]) + 1, int(ahead[row].nonzero().max())
            seen = "itself" if last == token else f"itself and by tokens up to number {last}"
            raise UserError(
                "the decoder can see the labels that it is to predict: its training loss would be low, but the model "
                "could not generate text",
                where=f"attention.decoder={program.decoder.to_config()}",
                expected="each target token predicted from the tokens before it alone, through all layers",
                found=f"token {token} of {target.shape[1]} can be influenced by {seen} "
                f"(train example {view.example}, counted from 0)",
                fix="attention.decoder=null, or a mask without prefix, bidirectional and the like, which is then made "
                "causal. A mask may look ahead in the target's prompt alone: task.target_prompt declares one, and of P "
                "prompt tokens prefix(P + 1) shows all",
            )


def hidden_text(views: Sequence[View], program: Program) -> Iterator[UserError]:
    """Yield warnings of text that does not influence the representations which the head reads.

    Args:
        views: The views of a few examples of typical lengths.
        program: The recipe's masks.
    """
    if not views:
        return
    if len(views[0].readers) == 1 and views[0].reader not in ("a labelled token", "a target position"):
        yield from _hidden_from_one(views, program)
    elif "encoder" in views[0].final:
        yield from _few(views, "encoder", program, "tokens")
    else:
        yield from _few(views, "cross", program, "source tokens")
        yield from _few(views, "decoder", program, "target tokens before it")


def _hidden_from_one(views: Sequence[View], program: Program) -> Iterator[UserError]:
    """Yield a warning of text that does not influence the single token which the head reads."""
    reached = [_of_text(view) for view in views]
    partial = [(view, seen) for view, seen in zip(views, reached, strict=True) if bool((view.is_text & ~seen).any())]
    if not partial:
        return
    view, seen = sorted(partial, key=lambda one: len(one[1]))[len(partial) // 2]
    hidden = [token for token, is_hidden in zip(view.tokens, (view.is_text & ~seen).tolist(), strict=True) if is_hidden]
    more = ", ..." if len(hidden) > _SHOWN else ""
    yield UserError(
        f"{view.reader} reaches {int(seen.sum())} of {len(seen)} tokens through all layers, and the answer is read "
        "of it alone: the others cannot change it",
        where=_where(program),
        found=f"hidden in {len(partial)} of {len(views)} examples looked at; in train example {view.example}: "
        f"{', '.join(hidden[:_SHOWN])}{more}",
        fix=_fix(program, view.reader),
    )


def _of_text(view: View) -> Tensor:
    """Return which tokens influence the single reader: bool [tokens]. T5's classifier has the text on both sides."""
    if "encoder" in view.final:
        return view.final["encoder"].any(0)
    seen = view.final["cross"].any(0)
    shifted = view.final["decoder"].any(0)[1:]  # position p of the decoder reads token p - 1
    seen[: len(shifted)] |= shifted[: len(seen)]
    return seen


def _few(views: Sequence[View], site: SiteName, program: Program, what: str) -> Iterator[UserError]:
    """Yield a warning of readers that few tokens influence, where such readers are not rare."""
    counts = np.concatenate([view.final[site].sum(1).numpy() for view in views])  # [readers of all views]
    available = np.concatenate([view.available(site).numpy() for view in views])
    poor = (counts < FEW_TOKENS) & (2 * counts < available)
    if poor.mean() < _POOR_SHARE:
        return
    middle = np.flatnonzero(poor)[np.argsort(counts[poor] / available[poor], kind="stable")[poor.sum() // 2]]
    yield UserError(
        f"{views[0].reader} reaches {counts[middle]} of {available[middle]} {what} through all layers",
        where=_where(program),
        found=f"fewer than {FEW_TOKENS} and less than half at {poor.sum()} of {len(poor)} positions of "
        f"{len(views)} train examples",
        fix=_wider(site),
    )


def _where(program: Program) -> str:
    sites: tuple[SiteName, ...] = ("encoder", "decoder", "cross")
    given = [name for name in sites if not program.is_standard_at(name)]
    return ", ".join(f"attention.{name}={program.site(name).to_config()}" for name in given)


def _fix(program: Program, reader: str) -> str:
    if program.is_standard_at("encoder") or not reader.startswith(("[CLS]", "<s>")):
        return _wider("encoder")
    mask = program.encoder.mask
    wider = mask.with_boolean(mask.boolean | global_tokens("cls"))
    return f'attention.encoder="{wider}" lets {reader} read every token'


def _wider(site: SiteName) -> str:
    own = "causal()" if site == "decoder" else "full()"
    return f'a wider mask, or one such layer: attention.{site}.layers={{"-1": "{own}"}}'


def _source_ids(batch: Batch) -> list[list[int]]:
    """Return the input ids of each example, without padding."""
    layout = batch.inputs.get("layout")
    rows = example_rows(batch.inputs["input_ids"], layout)
    if layout is not None:
        return rows
    return [row[:length] for row, length in zip(rows, batch.inputs["attention_mask"].sum(1).tolist(), strict=True)]


def _readers(
    task: Task, context: TaskContext, model: PreTrainedModel, batch: Batch, ids: Sequence[Sequence[int]]
) -> tuple[list[list[int]], str]:
    """Return the positions that the head reads in each example, and the name of one of them in messages."""
    if task.head != "text_classification":
        labels = example_rows(batch.label_ids, batch.target_layout)
        positions = [[at for at, label in enumerate(row) if label != IGNORE_INDEX] for row in labels]
        return positions, "a target position" if task.writes_text else "a labelled token"
    _, reads = pretrained.head_reads(model)
    if reads == "all":
        return [list(range(len(row))) for row in ids], "a token"
    at = 0 if reads == "first" else -1
    name = str(context.tokenizer.convert_ids_to_tokens(ids[0][at]))
    return [[0 if reads == "first" else len(row) - 1] for row in ids], name
