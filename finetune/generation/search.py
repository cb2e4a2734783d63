"""Greedy and beam search: choose the next tokens, and remove the examples that are done.

A search holds the unfinished texts as rows of equal length. `advance` takes the logits of the next tokens, appends a
token to each row, removes the examples whose text is certain, and returns which of the former rows each row continues.
Scores, ties and ends are those of transformers 5.23 (`GenerationMixin._sample` and `GenerationMixin._beam_search`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from finetune.generation.rules import Rules, Unsupported

NEVER = -1.0e9
"""The score of candidates that must not be chosen, as in transformers."""


@dataclass(frozen=True, eq=False)
class Move:
    """The change of the rows in one step.

    Args:
        rows: int64 [new rows], the former row that each row continues; None if all rows stay in place.
        examples: The indices of the remaining examples among the former ones, ascending; None if all remain.
        settled: Number of leading positions in which the former rows of each example were equal.
    """

    rows: Tensor | None = None
    examples: Sequence[int] | None = None
    settled: int = 0


class Search(Protocol):
    """The state of a search for the texts of a batch."""

    sequences: Tensor
    """The unfinished texts, int64 [rows, length]; the rows of an example are consecutive."""

    def advance(self, logits: Tensor) -> Move:
        """Append a token to each row, and remove the examples that are done.

        On a GPU, a call synchronises with the device once.

        Args:
            logits: The logits of the next token, float32 [rows, vocabulary].

        Returns:
            The change of the rows, which the decoder has to follow.
        """

    @property
    def is_done(self) -> bool:
        """Whether no example is left."""

    def texts(self) -> Tensor:
        """Return the texts, int64 [examples, longest], including the tokens that they begin with, padded at the end.

        Raises:
            Unsupported: An example has no finished text, for which transformers returns its best unfinished one.
        """


def search(rules: Rules, prompts: Tensor) -> Search:
    """Return the search that the rules describe, greedy or with beams.

    Args:
        rules: The rules of the texts.
        prompts: The tokens that the texts begin with, int64 [examples, length].
    """
    return Greedy(rules, prompts) if rules.num_beams == 1 else Beams(rules, prompts)


class Greedy:
    """Greedy search: the most probable token in each step, with one row for each example."""

    def __init__(self, rules: Rules, prompts: Tensor) -> None:
        self.rules = rules
        self.sequences = prompts
        self.example = torch.arange(len(prompts), device=prompts.device)  # [rows], the example of each row
        self.written = _empty_texts(len(prompts), rules, prompts.device)  # texts of the examples that are done

    def advance(self, logits: Tensor) -> Move:
        tokens = self.rules.processed(self.sequences, logits).argmax(-1)  # [rows]
        self.sequences = torch.cat([self.sequences, tokens[:, None]], dim=1)
        self.length = self.sequences.shape[1]
        done, kept = _split_indices(self.rules.ends(tokens, self.length).tolist())
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
        # The example that was removed last is the longest.
        return self.written[:, : self.length]


@dataclass(frozen=True, eq=False)
class Finished:
    """The best finished texts of each example, in descending order of their scores.

    Args:
        sequences: The texts, int64 [examples, beams, max_length].
        scores: Their scores with the length penalty, float32 [examples, beams]; NEVER where there is no text.
        lengths: Their lengths in tokens, int64 [examples, beams]; 0 where there is no text.
    """

    sequences: Tensor
    scores: Tensor
    lengths: Tensor

    @classmethod
    def none(cls, examples: int, rules: Rules, device: torch.device) -> Finished:
        """Return the state before the first step, without any text."""
        beams = rules.num_beams
        sequences = _empty_texts(examples * beams, rules, device).view(examples, beams, rules.max_length)
        lengths = torch.zeros(examples, beams, dtype=torch.long, device=device)
        return cls(sequences, torch.full(lengths.shape, NEVER, device=device), lengths)

    def merged(self, sequences: Tensor, scores: Tensor, ended: Tensor) -> Finished:
        """Return the best of these texts and new candidates.

        Args:
            sequences: The candidates, int64 [examples, beams, length].
            scores: Their scores with the length penalty, float32 [examples, beams].
            ended: Whether each candidate has ended, bool [examples, beams]; others are not taken.
        """
        length = sequences.shape[-1]
        wider = self.sequences.clone()
        wider[..., :length] = sequences
        # The top `beams` of the former texts and the candidates, [examples, 2 * beams] -> [examples, beams].
        scores, order = torch.cat([self.scores, scores.masked_fill(~ended, NEVER)], dim=1).topk(scores.shape[1])
        lengths = torch.cat([self.lengths, ended * length], dim=1).gather(1, order)
        every = torch.cat([self.sequences, wider], dim=1)
        return Finished(every.take_along_dim(order[:, :, None], dim=1), scores, lengths)

    def of(self, examples: Tensor) -> Finished:
        """Return the texts of some examples, given by their indices."""
        return Finished(self.sequences[examples], self.scores[examples], self.lengths[examples])


class Beams:
    """Beam search with `num_beams` rows for each example.

    In the first step, in which all beams would be equal, there is one row for each example.
    """

    def __init__(self, rules: Rules, prompts: Tensor) -> None:
        examples, self.prompt_length = prompts.shape
        self.rules = rules
        self.sequences = prompts
        self.example = torch.arange(examples, device=prompts.device)
        # All but the first beam have the score NEVER, so that the first step continues only the first one.
        self.scores = torch.full((examples, rules.num_beams), NEVER, device=prompts.device)
        self.scores[:, 0] = 0.0
        self.finished = Finished.none(examples, rules, prompts.device)
        self.written = _empty_texts(examples, rules, prompts.device)  # texts of the examples that are done
        self.lengths = prompts.new_zeros(examples)
        ends = 0 if rules.end_ids is None else len(rules.end_ids)
        # Each beam has at most `ends` continuations that end, so that num_beams others remain.
        self.candidates = max(2, 1 + ends) * rules.num_beams

    def advance(self, logits: Tensor) -> Move:
        beams = self.rules.num_beams
        scores, rows, tokens = self._continuations(logits)  # [examples, candidates]
        length = self.sequences.shape[1] + 1
        ended = self.rules.ends(tokens, length)  # [examples, candidates]
        # Like transformers, only the best `beams` candidates may become finished texts.
        best = torch.cat([self.sequences[rows[:, :beams]], tokens[:, :beams, None]], dim=-1)
        best_scores = self._with_length_penalty(scores[:, :beams], length)  # [examples, beams]
        self.finished = self.finished.merged(best, best_scores, ended[:, :beams])
        self.scores, order = (scores + ended * NEVER).topk(beams)  # [examples, beams]
        done = self._is_certain(length)
        return self._keep(done, rows.gather(1, order), tokens.gather(1, order))

    def _continuations(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores, rows and tokens of the best continuations of each example, [examples, candidates] each."""
        examples = len(self.scores)
        count = min(self.candidates, logits.shape[-1])
        # A row can have at most `candidates` of the best continuations. Choosing them for each row first avoids a
        # second search through the whole vocabulary.
        values, tokens = self._best_tokens(logits, count)  # [rows, count]
        each = len(logits) // examples
        totals = values.view(examples, each, count) + self.scores[:, :, None]  # [examples, beams, count]
        scores, index = totals.flatten(1).topk(self.candidates)  # index into [beams * count]
        first = torch.arange(0, len(logits), each, device=logits.device)[:, None]  # first row of each example
        # In the first step there is one row, and beams beyond it (with the score NEVER) are mapped to it.
        rows = first + (index // count).clamp(max=each - 1)
        return scores, rows, tokens.view(-1)[rows * count + index % count]

    def _best_tokens(self, logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Return the log-probabilities and ids of the `count` most probable tokens of each row, [rows, count] each."""
        values, tokens = self.rules.processed(self.sequences, logits.log_softmax(-1)).topk(count)
        return values, tokens

    def _with_length_penalty(self, scores: Tensor, length: int) -> Tensor:
        """Return scores by which texts of different lengths are compared."""
        penalty: float = (length - self.prompt_length) ** self.rules.length_penalty
        return scores / penalty

    def _is_certain(self, length: int) -> Tensor:
        """Return which examples cannot get a better text by the criterion of transformers, bool [examples]."""
        rules, finished = self.rules, self.finished
        if length >= rules.max_length:
            return torch.ones_like(self.example, dtype=torch.bool)
        # The length that gives the best score that the first beam can still reach.
        best_length = rules.max_length if rules.early_stopping == "never" and rules.length_penalty > 0 else length
        worst = finished.scores.amin(1, keepdim=True).masked_fill(finished.lengths == 0, NEVER)  # [examples, beams]
        certain = (self._with_length_penalty(self.scores[:, :1], best_length) <= worst).all(1)
        return certain | (finished.lengths > 0).all(1) if rules.early_stopping is True else certain

    def _keep(self, done: Tensor, rows: Tensor, tokens: Tensor) -> Move:
        """Append a token to the rows of the examples that remain, and store the texts of the others.

        Args:
            done: Whether each example is done, bool [examples].
            rows: The row that each beam continues, int64 [examples, beams].
            tokens: The token that each beam appends, int64 [examples, beams].
        """
        examples, beams = rows.shape
        each = len(self.sequences) // examples
        in_order = torch.arange(examples * beams, device=rows.device).view(examples, beams)
        by_example = self.sequences.view(examples, each, -1)  # [examples, beams, length]
        # The cumulative product is 1 up to the first position at which the beams of any example differ.
        settled = (by_example == by_example[:, :1]).all(1).all(0).cumprod(0).sum()
        # All results are read by one `tolist`, because on a GPU each one waits for the device.
        *is_done, columns, in_place = torch.cat([done, settled[None], (rows == in_order).all()[None]]).tolist()
        leaving, kept = _split_indices(is_done)
        if leaving:
            self._store_texts(torch.tensor(leaving, device=rows.device))
            live = torch.tensor(kept, dtype=torch.long, device=rows.device)
            rows, tokens = rows[live], tokens[live]
            self.example, self.scores, self.finished = self.example[live], self.scores[live], self.finished.of(live)
        self.sequences = torch.cat([self.sequences[rows.view(-1)], tokens.reshape(-1, 1)], dim=1)
        stay = in_place and not leaving and each == beams
        return Move(None if stay else rows.view(-1), kept if leaving else None, columns)

    def _store_texts(self, done: Tensor) -> None:
        """Store the best text of each example that is done, given by its index among the remaining examples."""
        self.written[self.example[done]] = self.finished.sequences[done, 0]
        self.lengths[self.example[done]] = self.finished.lengths[done, 0]

    @property
    def is_done(self) -> bool:
        return not len(self.example)

    def texts(self) -> Tensor:
        shortest, longest = torch.stack(self.lengths.aminmax()).tolist()
        if not shortest:
            raise Unsupported("an example without a finished text, because every end has a score of -inf")
        return self.written[:, :longest]


def _empty_texts(rows: int, rules: Rules, device: torch.device) -> Tensor:
    """Return int64 [rows, max_length], filled with the token id after the end of a text."""
    return torch.full((rows, rules.max_length), rules.fill, dtype=torch.long, device=device)


def _split_indices(flags: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the indices of the flags that are set, and the indices of those that are not."""
    is_set = [index for index, flag in enumerate(flags) if flag]
    return is_set, [index for index, flag in enumerate(flags) if not flag]
