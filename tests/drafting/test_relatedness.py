from finetune.drafting.relatedness import are_related

TEXTS = [f"word{n} thing{n} is here" for n in range(20)]


def test_texts_that_share_words_row_by_row() -> None:
    assert are_related(TEXTS, [f"again word{n} and thing{n}" for n in range(20)])
    assert are_related(["借呗还款", "花呗账单", "天气很好"], ["还款借呗吗", "账单在哪", "今天天气"])


def test_texts_that_do_not() -> None:
    assert not are_related(TEXTS, TEXTS[5:] + TEXTS[:5])
    assert not are_related(TEXTS, ["is here"] * 20)
    assert not are_related(TEXTS, [None] * 20)
    assert not are_related([], [])
