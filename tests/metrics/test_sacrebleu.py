import math
import sys

import pytest
import sacrebleu

from finetune.errors import UserError
from finetune.metrics import MetricOptions, check, score
from finetune.metrics.sacrebleu import tokenizer_for

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
     ("de", "13a"), ("ro", "13a"), ("", "13a"), (None, "13a")],
)  # fmt: skip
def test_tokenizer_follows_the_target_language(language: str | None, tokenizer: str) -> None:
    assert tokenizer_for(language) == tokenizer


@pytest.mark.parametrize(("language", "package"), [("ja", "MeCab"), ("ko", "mecab_ko")])
def test_missing_segmenter_is_said_before_the_run(language: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"sacrebleu.tokenizers.tokenizer_{language}_mecab", raising=False)
    with pytest.raises(UserError) as caught:
        check(NAMES, options=MetricOptions(target_language=language))
    assert f"pip install 'sacrebleu[{language}]'" in str(caught.value)


def test_no_text_of_four_tokens_is_zero() -> None:
    assert score(NAMES, ["Save as"], ["Save as"]).values == {"bleu": 0}


def test_empty_outputs_score_zero() -> None:
    assert score(NAMES, ["", ""], REFERENCES).values == {"bleu": 0}
