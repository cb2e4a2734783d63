"""Greedy and beam search: which tokens to write next, and which examples are done.

A search holds the texts being written as rows, all of one length. `advance` takes the scores of the next tokens,
lengthens the rows, lets go of the examples whose text is certain, and says where the rows that remain came from.
Scores, ties and endings are those of transformers 5.23 (`GenerationMixin._sample` and `._beam_search`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from finetune.generation.rules import Rules, Unsupported

NEVER = -1.0e9
"""The score of what must not be chosen."""


@dataclass(frozen=True, eq=False)
class Move:
    """Where the rows of the next step come from.

    Args:
        rows: int64 [rows now], the row before of each; None where all stay in place.
        examples: Those that go on among those before, in order; None where all do.
        settled: Leading columns in which the rows of an example were alike.
    """

    rows: Tensor | None = None
    examples: Sequence[int] | None = None
    settled: int = 0


class Search(Protocol):
    """Writes the texts of a batch."""

    sequences: Tensor
    """int64 [rows, length], the texts being written; rows of one example stand together."""

    def advance(self, logits: Tensor) -> Move:
        """Write a token more, chosen by the logits [rows, vocabulary] in float32. One synchronisation a call."""

    @property
    def is_done(self) -> bool:
        """Whether no example is left."""

    def texts(self) -> Tensor:
        """int64 [examples, longest], the texts with what they began with, filled up at their ends.

        Raises:
            Unsupported: An example has no text that ended; transformers then gives the best that it has begun.
        """


def search(rules: Rules, prompts: Tensor) -> Search:
    """The search that the rules ask for.

    Args:
        rules: What a text may be.
        prompts: int64 [examples, length], what the texts begin with.
    """
    return Greedy(rules, prompts) if rules.num_beams == 1 else Beams(rules, prompts)


class Greedy:
    """The most probable token each time; one row an example."""

    def __init__(self, rules: Rules, prompts: Tensor) -> None:
        self.rules = rules
        self.sequences = prompts
        self.example = torch.arange(len(prompts), device=prompts.device)
        self.written = _room(len(prompts), rules, prompts.device)

    def advance(self, logits: Tensor) -> Move:
        tokens = self.rules.processed(self.sequences, logits).argmax(-1)
        self.sequences = torch.cat([self.sequences, tokens[:, None]], dim=1)
        self.length = self.sequences.shape[1]
        done, kept = _parted(self.rules.ends(tokens, self.length).tolist())
        if not done:
            return Move()
        leaving, rows = (torch.tensor(each, dtype=torch.long, device=tokens.device) for each in (done, kept))
        self.written[self.example[leaving], : self.length] = self.sequences[leaving]
        self.sequences, self.example = self.sequences[rows], self.example[rows]
        return Move(rows, kept)

    @property
    def is_done(self) -> bool:
        return not len(self.example)

    def texts(self) -> Tensor:
        # The last to leave is the longest.
        return self.written[:, : self.length]


@dataclass(frozen=True, eq=False)
class Finished:
    """The best finished texts of each example, best first.

    Args:
        sequences: int64 [examples, beams, max_length].
        scores: float32 [examples, beams], divided by the length; NEVER where there is none.
        lengths: int64 [examples, beams]; 0 where there is none.
    """

    sequences: Tensor
    scores: Tensor
    lengths: Tensor

    @classmethod
    def none(cls, examples: int, rules: Rules, device: torch.device) -> Finished:
        """No text at all."""
        beams = rules.num_beams
        sequences = _room(examples * beams, rules, device).view(examples, beams, rules.max_length)
        lengths = torch.zeros(examples, beams, dtype=torch.long, device=device)
        return cls(sequences, torch.full(lengths.shape, NEVER, device=device), lengths)

    def merged(self, sequences: Tensor, scores: Tensor, ended: Tensor) -> Finished:
        """The best of these and of the candidates [examples, beams, length] with scores [examples, beams]."""
        length = sequences.shape[-1]
        wider = self.sequences.clone()
        wider[..., :length] = sequences
        scores, order = torch.cat([self.scores, scores.masked_fill(~ended, NEVER)], dim=1).topk(scores.shape[1])
        lengths = torch.cat([self.lengths, ended * length], dim=1).gather(1, order)
        every = torch.cat([self.sequences, wider], dim=1)
        return Finished(every.take_along_dim(order[:, :, None], dim=1), scores, lengths)

    def of(self, examples: Tensor) -> Finished:
        """Those of some examples."""
        return Finished(self.sequences[examples], self.scores[examples], self.lengths[examples])


class Beams:
    """Beam search; `num_beams` rows an example from the second step on, one in the first, where all would be alike."""

    def __init__(self, rules: Rules, prompts: Tensor) -> None:
        examples, self.prompt_length = prompts.shape
        self.rules = rules
        self.sequences = prompts
        self.example = torch.arange(examples, device=prompts.device)
        # Only the first beam counts at first, so that the beams part in the first step.
        self.scores = torch.full((examples, rules.num_beams), NEVER, device=prompts.device)
        self.scores[:, 0] = 0.0
        self.finished = Finished.none(examples, rules, prompts.device)
        self.written = _room(examples, rules, prompts.device)
        self.lengths = prompts.new_zeros(examples)
        ends = 0 if rules.end_ids is None else len(rules.end_ids)
        # Enough that num_beams remain when all others end.
        self.candidates = max(2, 1 + ends) * rules.num_beams

    def advance(self, logits: Tensor) -> Move:
        beams = self.rules.num_beams
        scores, rows, tokens = self._continuations(logits)  # [examples, candidates]
        length = self.sequences.shape[1] + 1
        ended = self.rules.ends(tokens, length)
        best = torch.cat([self.sequences[rows[:, :beams]], tokens[:, :beams, None]], dim=-1)
        self.finished = self.finished.merged(best, self._normal(scores[:, :beams], length), ended[:, :beams])
        self.scores, order = (scores + ended * NEVER).topk(beams)
        done = self._is_certain(length)
        return self._keep(done, rows.gather(1, order), tokens.gather(1, order))

    def _continuations(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The best continuations of each example: scores, rows that they continue, and tokens."""
        examples = len(self.scores)
        count = min(self.candidates, logits.shape[-1])
        # No row can place more than `candidates` among the best, so that the whole vocabulary is sorted only once.
        values, tokens = self._best_tokens(logits, count)  # [rows, count]
        each = len(logits) // examples
        totals = values.view(examples, each, count) + self.scores[:, :, None]  # [examples, beams, count]
        scores, index = totals.flatten(1).topk(self.candidates)
        first = torch.arange(0, len(logits), each, device=logits.device)[:, None]
        rows = first + (index // count).clamp(max=each - 1)
        return scores, rows, tokens.view(-1)[rows * count + index % count]

    def _best_tokens(self, logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The most probable tokens of each row and their log-probabilities."""
        values, tokens = self.rules.processed(self.sequences, logits.log_softmax(-1)).topk(count)
        return values, tokens

    def _normal(self, scores: Tensor, length: int) -> Tensor:
        """Scores by which texts of different lengths are compared."""
        penalty: float = (length - self.prompt_length) ** self.rules.length_penalty
        return scores / penalty

    def _is_certain(self, length: int) -> Tensor:
        """Which examples cannot get a better text, as transformers judges it; bool [examples]."""
        rules, finished = self.rules, self.finished
        if length >= rules.max_length:
            return torch.ones_like(self.example, dtype=torch.bool)
        at_most = rules.max_length if rules.early_stopping == "never" and rules.length_penalty > 0 else length
        worst = finished.scores.amin(1, keepdim=True).masked_fill(finished.lengths == 0, NEVER)  # [examples, beams]
        certain = (self._normal(self.scores[:, :1], at_most) <= worst).all(1)
        return certain | (finished.lengths > 0).all(1) if rules.early_stopping is True else certain

    def _keep(self, done: Tensor, rows: Tensor, tokens: Tensor) -> Move:
        """Lengthen the rows of the examples that go on; `rows` and `tokens` are [examples, beams]."""
        examples, beams = rows.shape
        each = len(self.sequences) // examples
        places = torch.arange(examples * beams, device=rows.device).view(examples, beams)
        alike = self.sequences.view(examples, each, -1)
        settled = (alike == alike[:, :1]).all(1).all(0).cumprod(0).sum()
        *is_done, columns, in_place = torch.cat([done, settled[None], (rows == places).all()[None]]).tolist()
        leaving, kept = _parted(is_done)
        if leaving:
            self._let_go(torch.tensor(leaving, device=rows.device))
            live = torch.tensor(kept, dtype=torch.long, device=rows.device)
            rows, tokens = rows[live], tokens[live]
            self.example, self.scores, self.finished = self.example[live], self.scores[live], self.finished.of(live)
        self.sequences = torch.cat([self.sequences[rows.view(-1)], tokens.reshape(-1, 1)], dim=1)
        stay = in_place and not leaving and each == beams
        return Move(None if stay else rows.view(-1), kept if leaving else None, columns)

    def _let_go(self, done: Tensor) -> None:
        """Put away the texts of examples, of which `done` says the places among the live ones."""
        self.written[self.example[done]] = self.finished.sequences[done, 0]
        self.lengths[self.example[done]] = self.finished.lengths[done, 0]

    @property
    def is_done(self) -> bool:
        return not len(self.example)

    def texts(self) -> Tensor:
        shortest, longest = torch.stack(self.lengths.aminmax()).tolist()
        if not shortest:
            raise Unsupported("an example in which every way to end the text has a score of -inf")
        return self.written[:, :longest]


def _room(rows: int, rules: Rules, device: torch.device) -> Tensor:
    """int64 [rows, max_length] of what stands after a text's end."""
    return torch.full((rows, rules.max_length), rules.fill, dtype=torch.long, device=device)


def _parted(flags: Sequence[int]) -> tuple[list[int], list[int]]:
    """The places of what is set, and of what is not."""
    set_ = [place for place, flag in enumerate(flags) if flag]
    return set_, [place for place, flag in enumerate(flags) if not flag]
