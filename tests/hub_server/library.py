"""What the recipes name on the Hub, tiny: models with random weights and data sets of the right names and shapes."""

from __future__ import annotations

import io
import json
import random
import string
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
import yaml
from datasets import ClassLabel, Dataset, Features, List, Translation, Value
from transformers import (
    BertConfig,
    BertForPreTraining,
    BertTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    T5Config,
    T5ForConditionalGeneration,
    T5Tokenizer,
)

from tests.hub_server.hub import Hub
from tests.hub_server.repositories import Repository

WORDS = {
    "good": "gut",
    "bad": "schlecht",
    "dull": "langweilig",
    "fine": "fein",
    "film": "Film",
    "house": "Haus",
    "story": "Geschichte",
    "tree": "Baum",
    "old": "alt",
    "new": "neu",
}
PEOPLE, PLACES = ("Ada", "Emmy", "Kurt"), ("Berlin", "Lima", "Oslo")
SIZES = {"train": 100, "validation": 6, "test": 6}
NER = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
"""CoNLL-2003's labels, in its order."""

Rows = list[dict[str, object]]


def add_everything(hub: Hub) -> None:
    """Publish all that the recipes name."""
    add_bert(hub, "google-bert/bert-base-uncased", lowercase=True)
    add_bert(hub, "google-bert/bert-base-cased", lowercase=False)
    add_t5(hub, "google-t5/t5-small")
    add_wmt14(hub)
    add_conll2003(hub)
    add_sst2(hub)
    add_mrpc(hub)


def add_bert(hub: Hub, name: str, *, lowercase: bool) -> Repository:
    """A BERT with the heads that it was pretrained with."""
    tokenizer = bert_tokenizer(lowercase=lowercase)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    torch.manual_seed(0)
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.convert_tokens_to_ids)
    files = saved(BertForPreTraining(config), tokenizer) | {"vocab.txt": "\n".join(vocabulary).encode()}
    return hub.create("models", name).put(files | card({"license": "apache-2.0", "language": "en"}))


def bert_tokenizer(*, lowercase: bool) -> BertTokenizer:
    """WordPiece over a few words and all letters."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [*string.ascii_lowercase, *([] if lowercase else string.ascii_uppercase), *string.digits, *".,'"]
    words = [word.lower() if lowercase else word for pair in WORDS.items() for word in pair]
    tokens = dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters), *words])
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return BertTokenizer(vocabulary, do_lower_case=lowercase, model_max_length=512)


def add_t5(hub: Hub, name: str) -> Repository:
    """A T5."""
    pieces = ["<pad>", "</s>", "<unk>", "▁", *(f"▁{word}" for pair in WORDS.items() for word in pair)]
    letters = [*string.ascii_letters, *string.digits, *".,:'"]
    vocabulary = [(piece, 0.0 if number < 3 else -2.0) for number, piece in enumerate(pieces)]
    vocabulary += [(letter, -5.0) for letter in letters]
    tokenizer = T5Tokenizer(vocabulary, model_max_length=512)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
    )
    config.decoder_start_token_id = 0
    torch.manual_seed(0)
    files = saved(T5ForConditionalGeneration(config), tokenizer)
    return hub.create("models", name).put(files | card({"license": "apache-2.0", "language": ["en", "de"]}))


def saved(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, bytes]:
    """The files of a model."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def add_wmt14(hub: Hub) -> Repository:
    """Translations: a column of pairs in each configuration, one folder a configuration."""
    files: dict[str, bytes] = {}
    configs = []
    for config in ("cs-en", "de-en", "fr-en"):
        languages = config.split("-")
        features = Features(translation=Translation(languages))
        data_files = []
        for split, size in SIZES.items():
            rows: Rows = [{"translation": dict(zip(languages, pair, strict=True))} for pair in pairs(size)]
            files[f"{config}/{split}-00000-of-00001.parquet"] = parquet(rows, features)
            data_files.append({"split": split, "path": f"{config}/{split}-*"})
        configs.append({"config_name": config, "data_files": data_files})
    files |= card({"language": ["cs", "de", "en", "fr"], "license": "unknown", "configs": configs})
    return hub.create("datasets", "wmt/wmt14").put(files)


def pairs(count: int) -> Iterator[tuple[str, str]]:
    """Sentences with their translations; the second is English."""
    generator = random.Random(count)
    for _ in range(count):
        words = generator.choices([*WORDS], k=generator.randint(2, 6))
        yield " ".join(WORDS[word] for word in words) + ".", " ".join(words) + "."


def add_conll2003(hub: Hub) -> Repository:
    """Names: a loading script on the main branch, and the Hub's own conversion to parquet on another."""
    tags = {"pos_tags": ["NN", "VB", "."], "chunk_tags": ["O", "B-NP"], "ner_tags": [*NER]}
    labels = {column: List(ClassLabel(names=names)) for column, names in tags.items()}
    features = Features(id=Value("string"), tokens=List(Value("string")), **labels)
    files = {}
    for split, size in SIZES.items():
        generator = random.Random(size)
        rows: Rows = []
        for number in range(size):
            tokens = [generator.choice(PEOPLE), "sees", "old", generator.choice(PLACES), "."]
            tagged = {"pos_tags": [0, 1, 0, 0, 2], "chunk_tags": [1, 0, 1, 1, 0], "ner_tags": [1, 0, 0, 5, 0]}
            rows.append({"id": str(number), "tokens": tokens, **tagged})
        files[f"conll2003/{split}/0000.parquet"] = parquet(rows, features)
    repository = hub.create("datasets", "eriktks/conll2003")
    repository.put(card({"language": ["en"], "license": "other"}) | {"conll2003.py": b"raise AssertionError"})
    return repository.put(files, revision="refs/convert/parquet")


def add_sst2(hub: Hub) -> Repository:
    """Sentiment: a test split without labels."""
    features = Features(idx=Value("int32"), sentence=Value("string"), label=ClassLabel(names=["negative", "positive"]))
    return add_splits(
        hub, "stanfordnlp/sst2", {split: (reviews(split, size), features) for split, size in SIZES.items()}
    )


def reviews(split: str, count: int) -> Rows:
    """Sentences with good or bad in them."""
    generator = random.Random(count)
    labels = [number % 2 for number in range(count)]
    return [
        {
            "idx": number,
            "sentence": f"{generator.choice(['old', 'new'])} {('bad', 'good')[label]} film {number}",
            "label": -1 if split == "test" else label,
        }
        for number, label in enumerate(labels)
    ]


def add_mrpc(hub: Hub) -> Repository:
    """Pairs of sentences, as a configuration of GLUE."""
    names = ["not_equivalent", "equivalent"]
    features = Features(
        sentence1=Value("string"), sentence2=Value("string"), label=ClassLabel(names=names), idx=Value("int32")
    )
    files: dict[str, bytes] = {}
    for split, size in SIZES.items():
        rows: Rows = [
            {
                "sentence1": f"old film {i}",
                "sentence2": f"{('new house', 'old film')[i % 2]} {i}",
                "label": i % 2,
                "idx": i,
            }
            for i in range(size)
        ]
        files[f"mrpc/{split}-00000-of-00001.parquet"] = parquet(rows, features)
    data_files = [{"split": split, "path": f"mrpc/{split}-*"} for split in SIZES]
    header = {"language": ["en"], "license": "other", "configs": [{"config_name": "mrpc", "data_files": data_files}]}
    return hub.create("datasets", "nyu-mll/glue").put(files | card(header))


def add_splits(hub: Hub, name: str, splits: Mapping[str, tuple[Rows, Features]]) -> Repository:
    """A data set of one configuration, its files where the Hub's own tools put them."""
    files = {f"data/{split}-00000-of-00001.parquet": parquet(*content) for split, content in splits.items()}
    data_files = [{"split": split, "path": f"data/{split}-*"} for split in splits]
    header = {"language": ["en"], "configs": [{"config_name": "default", "data_files": data_files}]}
    return hub.create("datasets", name).put(files | card(header))


def add_dataset(
    hub: Hub, name: str, splits: Mapping[str, Dataset], configs: tuple[str, ...] = ("default",)
) -> Repository:
    """Any data set; every configuration has the same splits."""
    files = {f"{split}.parquet": as_parquet(dataset) for split, dataset in splits.items()}
    data_files = [{"split": split, "path": f"{split}.parquet"} for split in splits]
    header = {"configs": [{"config_name": config, "data_files": data_files} for config in configs]}
    return hub.create("datasets", name).put(files | card(header))


def add_script(hub: Hub, name: str) -> Repository:
    """A data set that a script loads."""
    return hub.create("datasets", name).put({f"{name.split('/')[1]}.py": b"", "README.md": b""})


def parquet(rows: Rows, features: Features) -> bytes:
    """Rows as a file."""
    return as_parquet(Dataset.from_list(rows, features=features))


def as_parquet(dataset: Dataset) -> bytes:
    """A split as a file."""
    file = io.BytesIO()
    dataset.to_parquet(file)
    return file.getvalue()


def card(header: Mapping[str, object]) -> dict[str, bytes]:
    """A repository's README.md."""
    return {"README.md": f"---\n{yaml.safe_dump(json.loads(json.dumps(header)))}---\n# A card\n".encode()}
