"""Usual names of columns, by what they hold."""

import re
from collections.abc import Sequence

LABELS = (
    "label", "labels", "class", "gold_label", "label_id", "class_id", "class_index",
    "gold", "stars", "sentiment", "polarity", "intent", "rating", "score",
    "category", "topic", "emotion", "similarity", "tag", "tags", "target", "y", "verdict", "annotation", "output",
    "quality", "genre", "is_duplicate", "toxicity", "grade", "klasse", "kategorie", "bewertung", "clase", "classe",
    "标签", "类别",
)  # fmt: skip
"""Names of the labels of texts; of two columns the one whose name comes first is likelier."""
CERTAIN_LABELS = ("label", "labels", "class", "gold_label", "label_id", "class_id", "class_index")
"""Names of columns that hold nothing but labels."""
TEXTS = (
    "text", "sentence", "review", "content", "body", "comment", "tweet", "message", "utterance", "document", "article",
    "question", "query", "description", "abstract", "headline", "title", "string", "input", "source",
    "satz", "kommentar", "texte", "texto", "文本", "内容", "句子",
)  # fmt: skip
"""Names of texts that are classified; of two columns the one whose name comes first is likelier."""
PAIRS = (
    ("premise", "hypothesis"), ("question", "sentence"), ("question", "answer"), ("query", "passage"),
    ("query", "document"), ("question", "context"), ("question", "passage"), ("first", "second"), ("claim", "evidence"),
    ("anchor", "positive"),
)  # fmt: skip
"""Names of the two texts of a pair that is classified."""
SOURCES = (
    "source", "src", "source_text", "input_text", "prompt", "instruction", "question", "document", "dialogue", "dialog",
    "article", "input", "text", "content", "body", "report",
)  # fmt: skip
"""Names of the input of text to text."""
CERTAIN_TARGETS = (
    "target", "tgt", "trg", "target_text", "output_text", "summary", "highlights", "completion", "response",
    "translation", "paraphrase",
)  # fmt: skip
"""Names of columns that hold nothing but outputs of text to text."""
TARGETS = (*CERTAIN_TARGETS, "output", "answer", "headline", "abstract", "title", "reference")
"""Names of the output of text to text."""
SUMMARIES = ("summary", "highlights", "headline", "abstract", "title")
"""Names of outputs that are summaries of the input."""
WORDS = ("tokens", "words", "token", "word", "form", "text")
"""Names of columns of words."""
WORD_LABELS = (
    "ner_tags", "labels", "ner", "tags", "ner_labels", "label", "tag", "entities", "bio", "pos_tags", "upos", "pos",
    "chunk_tags",
)  # fmt: skip
"""Names of columns of the labels of words."""
_IDENTIFIERS = (
    "id",
    "qid",
    "pid",
    "idx",
    "index",
    "uid",
    "uuid",
    "guid",
    "key",
    "fname",
    "filename",
    "file",
    "url",
    "link",
    "date",
)
_SENTENCES = ("sentence", "sent", "sentence_id", "sent_id", "sentence_number")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_]+")


def parts(name: str) -> tuple[str, ...]:
    """Return the words and numbers that a name consists of, in lower case: `#1 ID` is 1 and id."""
    return tuple(part.lower() for part in _WORD.findall(name.rpartition(".")[2]))


def rank(name: str, usual: Sequence[str]) -> float | None:
    """Return how far behind a name comes among the usual ones, None where it is none of them. Numbers do not count.

    A name that ends in a usual one (`average_rating`) comes behind all that are whole.
    """
    own = [part for part in parts(name) if not part.isdecimal()]
    plain = "_".join(own)
    if plain in usual:
        return usual.index(plain)
    last = own[-1] if own else ""
    return len(usual) + usual.index(last) if last in usual else None


def is_identifier(name: str) -> bool:
    """Return whether a name is one of numbers or texts that identify rows, such as `#1 ID`."""
    own = [part for part in parts(name) if not part.isdecimal()]
    return rank(name, LABELS) is None and bool(own) and (own[-1] in _IDENTIFIERS or own[0] in ("unnamed", "url"))


def is_sentence_number(name: str) -> bool:
    """Return whether a name is one of columns that number sentences: `Sentence #`."""
    return "_".join(parts(name)) in _SENTENCES


def are_numbered(first: str, second: str) -> bool:
    """Return whether two names differ in one number or letter alone, as `text1` and `text2`, or `#1 String`."""
    ones, twos = re.split(r"(\d+|[^\W\d_]+)", first.lower()), re.split(r"(\d+|[^\W\d_]+)", second.lower())
    different = [(one, two) for one, two in zip(ones, twos, strict=False) if one != two]
    is_pair = len(ones) == len(twos) and len(different) == 1
    return is_pair and different[0] in (("1", "2"), ("0", "1"), ("a", "b"), ("first", "second"), ("one", "two"))
