from finetune.drafting.keys import DraftedKey, as_tree, with_given
from tests.drafting.tables import values

KEYS = [DraftedKey("model.name", "a/b"), DraftedKey("data.columns.text", "t", "why", "doubt"), DraftedKey("seed", 1)]


def test_dotted_keys_make_sections() -> None:
    assert as_tree(KEYS) == {"model": {"name": "a/b"}, "data": {"columns": {"text": "t"}}, "seed": 1}


def test_keys_that_are_given_replace_drafted_ones() -> None:
    found = with_given(KEYS, {"data.columns.text": "u", "training.epochs": 2})
    assert values(found) == {"model.name": "a/b", "data.columns.text": "u", "seed": 1, "training.epochs": 2}
    assert {one.reason for one in found if one.key == "data.columns.text"} == {"given"}


def test_a_section_that_is_given_replaces_what_is_in_it() -> None:
    assert "model.name" not in values(with_given(KEYS, {"model": {"sample": "minilm"}}))
    assert values(with_given([DraftedKey("model", {"name": "a"})], {"model.sample": "minilm"})) == {
        "model.sample": "minilm"
    }
    both = with_given(KEYS, {"model": {"sample": "minilm"}, "model.dropout": 0.1})
    assert "model.dropout" not in values(both)
