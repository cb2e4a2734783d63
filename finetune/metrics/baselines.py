"""Simple peers for text classification; they return class names, which the same metrics score as a model's."""

from collections import Counter
from collections.abc import Sequence

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

Text = str | tuple[str, str]
"""A text, or a pair of texts."""


def majority(train_labels: Sequence[str], test_count: int) -> list[str]:
    """Predict the commonest train class for every test example; of equally common ones the first by name."""
    counts = Counter(train_labels)
    commonest = min(counts, key=lambda label: (-counts[label], label))
    return [commonest] * test_count


def tfidf_logistic_regression(
    train_texts: Sequence[Text], train_labels: Sequence[str], test_texts: Sequence[Text], seed: int
) -> list[str]:
    """Predict by logistic regression on TF-IDF of words and word pairs.

    Settings are scikit-learn's defaults (lower case, words of two letters or more, L2 penalty with C=1, lbfgs) but for
    ngram_range=(1, 2), sublinear_tf and max_iter=1000; nothing is tuned. The two texts of a pair are joined. Where
    there is nothing to learn, one class or no word, it is the majority class.

    Args:
        train_texts: Texts or pairs.
        train_labels: One class name a train text.
        test_texts: Texts or pairs.
        seed: Given to the solver (lbfgs draws no random numbers, so it changes nothing today).

    Returns:
        One class name a test text.
    """
    train, test = _joined(train_texts), _joined(test_texts)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    has_words = any(map(vectorizer.build_analyzer(), train))
    if len(set(train_labels)) < 2 or not has_words or not test:
        return majority(train_labels, len(test))
    classifier = make_pipeline(vectorizer, LogisticRegression(max_iter=1000, random_state=seed))
    return [str(label) for label in classifier.fit(train, train_labels).predict(test)]


def _joined(texts: Sequence[Text]) -> list[str]:
    return [text if isinstance(text, str) else " ".join(text) for text in texts]
