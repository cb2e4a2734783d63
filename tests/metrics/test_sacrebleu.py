import math
import sys

import pytest
import sacrebleu

from finetune.errors import UserError
from finetune.metrics import MetricOptions, check_metric, score
from finetune.metrics.sacrebleu import has_words, tokenizer_for, tokenizer_note

NAMES = ["sacrebleu"]
PREDICTIONS = ["The cat sat on a mat.", "It rains in the north of the land"]
REFERENCES = ["The cat sat on the mat.", "It is raining in the north of the land"]


def test_by_hand() -> None:
    scores = score(NAMES, ["a b c d e"], ["a b c d f g"])
    precisions = [4 / 5, 3 / 4, 2 / 3, 1 / 2]
    brevity_penalty = math.exp(1 - 6 / 5)
    bleu = 100 * brevity_penalty * math.prod(precisions) ** (1 / 4)
    assert scores.values == pytest.approx({"bleu": bleu})
    parts = {f"precision_{order}": 100 * value for order, value in enumerate(precisions, start=1)}
    expected = parts | {"brevity_penalty": brevity_penalty, "length_ratio": 5 / 6}
    assert scores.details == {"bleu": pytest.approx(expected)}


def test_equals_sacrebleu() -> None:
    scores = score(NAMES, PREDICTIONS, REFERENCES)
    assert scores.values == {"bleu": sacrebleu.corpus_bleu(PREDICTIONS, [REFERENCES]).score}
    version = sacrebleu.__version__
    assert scores.signatures == {"sacrebleu": f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{version}"}


def test_chinese_is_cut_into_characters() -> None:
    predictions, references = ["我今天很高兴见到你"], ["我今天非常高兴见到你"]
    scores = score(NAMES, predictions, references, options=MetricOptions(target_language="zh"))
    assert scores.values == {"bleu": sacrebleu.corpus_bleu(predictions, [references], tokenize="zh").score}
    assert "tok:zh" in scores.signatures["sacrebleu"]
    assert scores.values["bleu"] > score(NAMES, predictions, references).values["bleu"]


@pytest.mark.parametrize(
    ("language", "tokenizer"),
    [("zh", "zh"), ("zh-CN", "zh"), ("ZH_tw", "zh"), ("ja", "ja-mecab"), ("jpn", "ja-mecab"), ("ko-KR", "ko-mecab"),
     ("yue", "zh"), ("th", "char"), ("km-KH", "char"), ("tha_Thai", "char"),
     ("de", "13a"), ("ro", "13a"), ("", "13a"), (None, "13a")],
)  # fmt: skip
def test_tokenizer_follows_the_target_language(language: str | None, tokenizer: str) -> None:
    assert tokenizer_for(language) == tokenizer


def test_without_words_characters_are_compared_unless_the_language_has_a_tokenizer() -> None:
    assert tokenizer_for(None, has_words=False) == "char"
    assert tokenizer_for("de", has_words=False) == "char"
    assert tokenizer_for("zh", has_words=False) == "zh"
    texts = ["สวัสดีครับ"], ["สวัสดีค่ะ"]
    assert score(NAMES, *texts).values == {"bleu": 0}
    scores = score(NAMES, *texts, options=MetricOptions(has_words=False))
    assert scores.values["bleu"] > 50
    assert "tok:char" in scores.signatures["sacrebleu"]


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        (["It is raining in the north.", "The cat sat on the mat"], True),
        (["Дождь идёт на севере страны"], True),
        (["비가 북쪽에 많이 내리고 있다"], True),
        (["我今天非常高兴见到你"], False),
        (["我 今天, 见到 (OK) 你, 非常. 高兴!"], False),
        (["สวัสดีครับ ผมชื่อสมชาย ยินดีที่ได้รู้จัก ครับผม ขอบคุณ"], False),
        (["今日はとてもうれしいです"], False),
        (["Haus", "Save as", "yes"], False),
        (["Haus"] * 8 + ["The cat sat on the mat"], True),
        (["", ""], False),
    ],
)
def test_words_are_told_from_the_references(references: list[str], expected: bool) -> None:
    assert has_words(references) is expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (MetricOptions(), None),
        (MetricOptions(target_language="de"), None),
        (MetricOptions(target_language="th"), "characters, since the target language is th"),
        (MetricOptions(target_language="zh", has_words=False), "tokens of zh, since the target language is zh"),
        (MetricOptions(has_words=False), "characters, since the references hold no spaces between words"),
    ],
)
def test_an_unusual_tokenizer_is_said(options: MetricOptions, expected: str | None) -> None:
    note = tokenizer_note(options)
    assert note is None if expected is None else expected in (note or "")


@pytest.mark.parametrize(("language", "package"), [("ja", "MeCab"), ("ko", "mecab_ko")])
def test_missing_segmenter_is_said_before_the_run(language: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"sacrebleu.tokenizers.tokenizer_{language}_mecab", raising=False)
    with pytest.raises(UserError) as caught:
        check_metric(NAMES, options=MetricOptions(target_language=language))
    assert f"pip install 'sacrebleu[{language}]'" in str(caught.value)


def test_no_text_of_four_tokens_is_zero() -> None:
    assert score(NAMES, ["Save as"], ["Save as"]).values == {"bleu": 0}


def test_empty_outputs_score_zero() -> None:
    assert score(NAMES, ["", ""], REFERENCES).values == {"bleu": 0}
