"""Tokenization of a split, once: later runs read back the same examples under the same tokenizer and settings.

Encoded splits lie in `features/` of the cache folder (FINETUNE_CACHE), each in a folder named by a hash of all that it
was made from. Such a folder is filled aside and then renamed, so that it is whole or not there, whoever else writes; a
damaged one is told, deleted and made anew. Of more than 10 GB the longest unused are deleted, but none that was used
within a day; all may be, at any time.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import datasets
import psutil
import pyarrow as pa
import tokenizers
import transformers
from datasets import Dataset, concatenate_datasets
from transformers import PreTrainedTokenizerBase

from finetune.cache_folder import cache_folder
from finetune.data import cache

EncodeBatch = Callable[[Mapping[str, list[Any]], list[int]], dict[str, list[Any]]]
"""Features of some examples, from their columns and numbers."""

_VERSION = 4
"""Of what tasks make of an example: to be raised where they make something else."""
_WORTH_KEEPING = 2000
"""Examples of the smallest split that is kept: a smaller one is encoded again as fast as it is read back."""
_PER_PROCESS = 50_000
"""Examples that are worth a process of their own; below, the tokenizer's threads do."""
_MOST_BYTES = 10 * 2**30
_HASHED = 100_000
"""Examples that are hashed at a time."""


def encode(split: Dataset, encode_batch: EncodeBatch, tokenizer: PreTrainedTokenizerBase, *settings: Any) -> Dataset:
    """Return the features that `encode_batch` makes of a split; they are read back where that has been done before.

    A large split is encoded by several processes.

    Args:
        split: The examples.
        encode_batch: Makes features of them; does the same for the same examples, tokenizer and settings.
        tokenizer: The tokenizer that it uses.
        settings: All else that it depends on: sets of names, and what repr tells apart.
    """
    is_kept = len(split) >= _WORTH_KEEPING and tokenizer.is_fast and datasets.is_caching_enabled()
    if not is_kept:
        return _map(split, encode_batch, keep_in_memory=True)
    name = _hash(split, tokenizer, settings)
    folder = cache_folder() / "features"
    try:
        encoded = cache.read_or_make(
            folder / name, lambda made: _map(split, encode_batch, cache_file_name=str(made / "part.arrow")), _read
        )
        os.utime(folder / name)
        cache.prune_cache(folder, {name}, _MOST_BYTES)
        return encoded
    except OSError:  # a full disk, or a folder that cannot be written: a run does without
        return _map(split, encode_batch, keep_in_memory=True)


def _map(split: Dataset, encode_batch: EncodeBatch, **options: Any) -> Dataset:
    processes = min(len(split) // _PER_PROCESS, psutil.cpu_count(logical=False) or 1)
    return split.map(
        encode_batch,
        batched=True,
        with_indices=True,
        remove_columns=split.column_names,
        num_proc=processes if processes > 1 else None,
        load_from_cache_file=False,
        new_fingerprint=secrets.token_hex(8),  # datasets would hash the tokenizer, which changes as it is used
        **options,
    )


def _read(folder: Path) -> Dataset:
    return concatenate_datasets([Dataset.from_file(str(path)) for path in sorted(folder.glob("*.arrow"))])


def _hash(split: Dataset, tokenizer: PreTrainedTokenizerBase, settings: tuple[Any, ...]) -> str:
    """Return the hash of all that the features depend on, which is the same in every process."""
    versions = (_VERSION, tokenizers.__version__, transformers.__version__)
    sink = _Hash()
    sink.write(repr((versions, [_settled(one) for one in settings], describe_tokenizer(tokenizer))).encode())
    rows = split.with_format("arrow")
    for start in range(0, len(split), _HASHED):  # some at a time: they may be more than memory holds
        table: pa.Table = rows[start : start + _HASHED].combine_chunks().replace_schema_metadata(None)
        with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), table.schema) as stream:
            stream.write_table(table)
    return sink.hash.hexdigest()


def _settled(value: Any) -> Any:
    """Return the value, and a set as a sorted list: `repr` orders a set differently in each process."""
    return sorted(value) if isinstance(value, set | frozenset) else value


class _Hash:
    """A file that is written to and hashed, and kept nowhere."""

    closed = False

    def __init__(self) -> None:
        self.hash = hashlib.blake2b(digest_size=16)

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def describe_tokenizer(tokenizer: PreTrainedTokenizerBase) -> tuple[Any, ...]:
    """Return all that a fast tokenizer does to a text, apart from what each call says anew."""
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    rules = json.dumps({name: part for name, part in backend.items() if name not in ("truncation", "padding")})
    names = ("model_input_names", "truncation_side", "padding_side", "split_special_tokens", "special_tokens_map")
    return (type(tokenizer).__name__, rules, *(repr(getattr(tokenizer, name, None)) for name in names))
