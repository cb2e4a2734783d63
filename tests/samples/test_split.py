from finetune.samples.split import SampleRow, fold, split_by_hash

ROWS: list[tuple[str, SampleRow]] = [(f"key {number}", {"number": number}) for number in range(2000)]


def test_every_row_is_in_one_split_of_about_the_asked_share() -> None:
    splits = split_by_hash(ROWS, dev_share=0.1, test_share=0.2)
    numbers = [row["number"] for rows in splits.values() for row in rows]
    assert sorted(map(int, map(str, numbers))) == list(range(len(ROWS)))
    for name, share in {"train": 0.7, "dev": 0.1, "test": 0.2}.items():
        assert abs(len(splits[name]) / len(ROWS) - share) < 0.03


def test_a_row_s_split_depends_on_its_key_alone() -> None:
    whole = split_by_hash(ROWS, dev_share=0.1, test_share=0.2)
    part = split_by_hash(reversed(ROWS[::3]), dev_share=0.1, test_share=0.2)
    for name, rows in part.items():
        assert [row for row in whole[name] if row in rows] == rows


def test_rows_with_one_key_stay_together() -> None:
    splits = split_by_hash([("same", {"number": number}) for number in range(50)], dev_share=0.3, test_share=0.3)
    assert sorted(len(rows) for rows in splits.values()) == [0, 0, 50]


def test_texts_that_differ_in_case_punctuation_or_spacing_fold_to_one() -> None:
    assert fold("It's  GOOD!") == fold("it's good.")
    assert fold("good") != fold("bad")
    assert fold(":-)") == ":-)"
