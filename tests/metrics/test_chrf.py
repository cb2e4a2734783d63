import sacrebleu

from finetune.metrics import score

PREDICTIONS = ["The cat sat on a mat.", "It rains"]
REFERENCES = ["The cat sat on the mat.", "It is raining"]


def test_equals_sacrebleu() -> None:
    scores = score(["chrf"], PREDICTIONS, REFERENCES)
    assert scores.values == {"chrf": sacrebleu.corpus_chrf(PREDICTIONS, [REFERENCES]).score}
    assert "nc:6|nw:0" in scores.signatures["chrf"]


def test_empty_outputs_score_zero() -> None:
    assert score(["chrf"], ["", ""], REFERENCES).values == {"chrf": 0}
