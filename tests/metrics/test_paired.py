"""Differences between two models: the tests are right about chance, and are those of SciPy and sacreBLEU."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
import sacrebleu
from sacrebleu.significance import PairedTest, Result
from scipy.stats import binomtest, permutation_test

from finetune.metrics import score
from finetune.metrics.paired import holm, mcnemar, paired_differences

WORDS = np.array([f"word{number}" for number in range(30)])


def classes(generator: np.random.Generator, wrong: float, references: list[str]) -> list[str]:
    """Return predictions of which a share is wrong."""
    chance = generator.random(len(references)) < wrong
    return ["b" if (one == "a") == bad else "a" for one, bad in zip(references, chance, strict=True)]


def sentences(generator: np.random.Generator, count: int) -> list[list[str]]:
    return [generator.choice(WORDS, size=8).tolist() for _ in range(count)]


def changed(generator: np.random.Generator, texts: list[list[str]], share: float) -> list[str]:
    return [
        " ".join(str(generator.choice(WORDS)) if generator.random() < share else word for word in text)
        for text in texts
    ]


def test_a_difference_has_both_scores() -> None:
    references = ["a", "b", "a", "b", "a", "b"] * 10
    first, second = classes(np.random.default_rng(0), 0.4, references), references
    found = paired_differences("precision_recall_f1", first, second, references)
    for name, value in score(["precision_recall_f1"], first, references).values.items():
        assert found[name].first == pytest.approx(value)
        assert found[name].second == 1.0
        assert found[name].value == pytest.approx(1 - value)
        interval = found[name].interval
        assert interval is not None
        assert interval.low < found[name].value < interval.high
        assert found[name].p_value < 0.001


def test_accuracy_has_the_exact_test_of_mcnemar() -> None:
    generator = np.random.default_rng(1)
    references = ["a", "b"] * 40
    first, second = classes(generator, 0.3, references), classes(generator, 0.2, references)
    found = paired_differences("accuracy", first, second, references)["accuracy"]
    won = sum(two == ref != one for one, two, ref in zip(first, second, references, strict=True))
    lost = sum(one == ref != two for one, two, ref in zip(first, second, references, strict=True))
    assert found.test == "exact McNemar"
    assert found.p_value == pytest.approx(binomtest(won, won + lost).pvalue)


def test_sets_of_labels_are_right_in_any_order() -> None:
    references = [["a", "b"]] * 6
    found = paired_differences("multi_label", [["b", "a"]] * 6, [["a"]] * 6, references)
    assert found["subset_accuracy"].p_value == pytest.approx(2 * 0.5**6)
    assert found["subset_accuracy"].test == "exact McNemar"
    assert found["f1_micro"].test == "approximate randomization"


def test_the_mean_squared_error_has_the_p_value_of_scipy() -> None:
    generator = np.random.default_rng(2)
    references = generator.normal(size=40)
    first, second = references + generator.normal(size=40), references + 0.8 * generator.normal(size=40)
    found = paired_differences("mse", first.tolist(), second.tolist(), references.tolist())["mse"]
    squares = (first - references) ** 2, (second - references) ** 2
    known = permutation_test(squares, lambda x, y: np.mean(y) - np.mean(x), permutation_type="samples", rng=3)
    assert found.p_value == pytest.approx(known.pvalue, abs=0.02)


@pytest.mark.parametrize("name", ["sacrebleu", "chrf"])
def test_texts_have_the_p_value_of_sacrebleu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(4)
    texts = sentences(generator, 60)
    references = [" ".join(text) for text in texts]
    first, second = changed(generator, texts, 0.3), changed(generator, texts, 0.22)
    (found,) = paired_differences(name, first, second, references).values()
    metric = {"sacrebleu": sacrebleu.BLEU, "chrf": sacrebleu.CHRF}[name](references=[references])
    systems: list[tuple[str, Sequence[str]]] = [("first", first), ("second", second)]
    _, known = PairedTest(systems, {name: metric}, None, "ar", n_samples=5000)()
    (results,) = (cast(list[Result], values) for key, values in known.items() if key != "System")
    assert found.p_value == pytest.approx(results[1].p_value, abs=0.02)
    assert (found.first, found.second) == pytest.approx((results[0].score, results[1].score))


def test_words_of_a_sentence_are_exchanged_together() -> None:
    """Ten copies of each example in one unit are no more certain than one."""
    generator = np.random.default_rng(5)
    references = ["a", "b"] * 15
    first, second = classes(generator, 0.4, references), classes(generator, 0.2, references)
    once = paired_differences("matthews_correlation", first, second, references)["matthews_correlation"]
    many = first * 10, second * 10, references * 10
    tenfold = paired_differences("matthews_correlation", *many, units=[*range(30)] * 10)["matthews_correlation"]
    assert tenfold.p_value == pytest.approx(once.p_value, abs=0.02)
    alone = paired_differences("matthews_correlation", *many)["matthews_correlation"]
    assert alone.p_value < once.p_value


def test_models_that_are_equally_good_seldom_differ() -> None:
    """Of tests at 5%, about 5% find a difference where there is none."""
    generator = np.random.default_rng(6)
    references = ["a", "b", "b"] * 30
    found = []
    for _ in range(100):
        first, second = classes(generator, 0.2, references), classes(generator, 0.2, references)
        found.append(paired_differences("precision_recall_f1", first, second, references)["f1"].p_value)
    assert 0.0 <= np.mean(np.array(found) < 0.05) <= 0.11
    assert 0.35 < np.mean(found) < 0.65


def test_the_same_predictions_do_not_differ() -> None:
    found = paired_differences("accuracy", ["a", "b"] * 5, ["a", "b"] * 5, ["a", "a"] * 5)["accuracy"]
    assert (found.value, found.p_value, found.interval) == (0.0, 1.0, None)


def test_a_single_unit_says_nothing() -> None:
    assert paired_differences("accuracy", ["a", "b"], ["a", "a"], ["a", "b"], units=["x", "x"]) == {}


def test_mcnemar_without_a_changed_example() -> None:
    assert mcnemar(np.array([True, False]), np.array([True, False])) == 1.0


def test_several_p_values_are_corrected() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
