"""Provide sentences of film reviews, each negative or positive in the judgement of human raters.

The source is `movieReviewSnippets_GroundTruth.txt` in the source distribution of vaderSentiment (MIT): 10,605 sentences
that Pang and Lee gathered from rottentomatoes.com, each rated by 15 or more people from -4 (extremely negative) to 4
(extremely positive). It is described in Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment
Analysis of Social Media Text", ICWSM 2014. The package also has product reviews, tweets and news editorials. They are
left out: several sentences of one product review or one editorial would have to be kept together, most editorials are
neutral, and the films alone already fill five minutes of training on two processor cores.
"""

import html
import tarfile
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from finetune.samples.columns import check_columns, select_columns
from finetune.samples.fetch import fetch
from finetune.samples.package import Package
from finetune.samples.split import SampleRow, SampleSplits, fold, split_by_hash

PACKAGE = Package(
    name="vaderSentiment",
    version="3.3.2",
    kind="sdist",
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    licence="MIT",
    members=("vaderSentiment-3.3.2/LICENSE.txt", "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"),
)
COLUMNS = ("text", "label", "rating")
LEAST_RATING = 0.5
"""Sentences whose mean rating is nearer to zero are dropped. The standard error of a mean is about 0.22 (17 raters
whose ratings have a standard deviation of 0.9), so that from 0.5 on its sign is more than chance; on average 92 % of
the raters of a sentence that is kept agree with its sign."""


def load_sentiment(split: str, columns: Sequence[str]) -> list[SampleRow]:
    """Return one split of 10,070 sentences, which are downloaded the first time.

    There are 6,012 sentences in train, 1,029 in dev and 3,029 in test, and 51.1 % of the test split is negative. The
    test split is large so that two models whose accuracies differ by two points can be told apart.

    Args:
        split: One of train, dev and test.
        columns: Which of `COLUMNS` the rows have: text is the sentence, label is "negative" or "positive", and rating
            is the mean rating.

    Raises:
        UserError: The package cannot be fetched, or there is no such column.
    """
    check_columns("sentiment", columns, COLUMNS)
    archive = fetch(PACKAGE) / "vaderSentiment-3.3.2" / "additional_resources" / "hutto_ICWSM_2014.tar.gz"
    return select_columns(_read(archive), split, columns)


@lru_cache(maxsize=1)  # it is asked for each split in turn
def _read(archive: Path) -> SampleSplits:
    """Return the sentences of the archive inside the source distribution, split."""
    return convert_sentiment(_member(archive, "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt").splitlines())


def convert_sentiment(lines: Iterable[str]) -> SampleSplits:
    """Return the sentences of lines, split; of sentences that are alike the first is kept.

    Sentences that are alike and yet rated with opposite signs are all dropped.

    Args:
        lines: An id, a mean rating and a text in each line, separated by tabs.
    """
    rows: dict[str, SampleRow] = {}
    contradicted = set()
    for line in lines:
        row = _row(line)
        if row is not None:
            key = fold(str(row["text"]))
            if rows.setdefault(key, row)["label"] != row["label"]:
                contradicted.add(key)
    return split_by_hash(
        ((key, row) for key, row in rows.items() if key not in contradicted), dev_share=0.1, test_share=0.3
    )


def _row(line: str) -> SampleRow | None:
    """Return the row of one line; None where the rating is too near to zero to be called negative or positive."""
    _, mean, text = line.split("\t")
    rating = float(mean)
    if abs(rating) < LEAST_RATING:
        return None
    # Dashes were replaced by runs of blanks in the source, and & is written as an entity.
    clean = " ".join(html.unescape(text).split())
    return {"text": clean, "label": "positive" if rating > 0 else "negative", "rating": rating}


def _member(archive: Path, member: str) -> str:
    """Return the content of a text file in a tar archive, which is not unpacked."""
    with tarfile.open(archive) as tar:
        file = tar.extractfile(member)
        assert file is not None, f"{member} is a regular file of the pinned archive"
        return file.read().decode("utf-8-sig")
