"""The five lines of the cards of runs of every kind run, and say what the model says."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import AutoPeftModelForSequenceClassification

import finetune
from finetune.attention.pretrained import remove_masks
from finetune.hub import write_card
from finetune.recipe import TokenClassification
from finetune.serve import predict
from tests.hub.lines import run_lines
from tests.serve.conftest import Finished, held_out, read_jsonl
from tests.serve.conftest import finished as finished

MASKS = {"attention.encoder": "window(1) | global_tokens(0)"}
LEARNS = {"training.epochs": 12, "training.learning_rate": 5e-3}
ROWS: dict[str, dict[str, Any]] = {
    "text_classification": {"text": "It works as well as it should."},
    "token_classification": {"tokens": ["Ada", "Lovelace", "lived", "in", "London."]},
    "text_to_text": {"source": "It works as well as it should."},
}


def printed(run: Path) -> str:
    return run_lines((run / "model" / "README.md").read_text())


def predicted(run: Path, kind: str, **more: Any) -> Any:
    (answer,) = predict(str(run), [ROWS[kind] | more])
    return answer["prediction"]


@pytest.mark.parametrize("family", ["bert", "t5"])
@pytest.mark.parametrize("masks", [{}, MASKS], ids=["plain", "masks"])
def test_texts_from_texts(family: str, masks: dict[str, Any], finished: Finished) -> None:
    run = finished("text_to_text", family, **masks)
    model, tokenizer, _ = finetune.load(run)
    tokens = tokenizer([ROWS["text_to_text"]["source"]], return_tensors="pt")
    generated: Any = model.generate(**tokens, num_beams=2, max_new_tokens=16)  # type: ignore[operator]
    assert "num_beams=2, max_new_tokens=16" in (run / "model" / "README.md").read_text()
    assert printed(run) == f"{tokenizer.batch_decode(generated, skip_special_tokens=True)}\n"


@pytest.mark.parametrize("kind", ["text_classification", "token_classification", "text_to_text"])
def test_the_lines_run_from_any_folder(
    kind: str, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card that is written for a folder named relative to the working directory."""
    run = finished(kind, "t5" if kind == "text_to_text" else "bert")
    monkeypatch.chdir(run.parent)
    card = write_card(Path(run.name)).read_text()
    (lines,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_texts_that_begin_with_a_prompt(finished: Finished) -> None:
    run = finished("text_to_text", "t5", **{"task.target_prompt": "rot ", "attention.decoder": "causal() | prefix(2)"})
    assert "predict" in printed(run)
    assert repr(predicted(run, "text_to_text")) in printed(run)


def test_labels_of_words(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TokenClassification, "example", "so the red dog and a cat")
    run = finished("token_classification", "bert", **LEARNS, **MASKS)
    write_card(run)
    (answer,) = predict(str(run), [{"tokens": ["so", "the", "red", "dog", "and", "a", "cat"]}])
    found = re.findall(r"'entity_group': '(\w+)'", printed(run))
    assert found == [entity["type"] for entity in answer["entities"]] != []


def test_masks_that_read_columns_of_the_data(finished: Finished) -> None:
    base = finished("token_classification", "bert")
    own = base.parents[2] / "own"
    own.mkdir()
    for path in held_out(base).parent.iterdir():
        rows = [row | {"clause": [0] * len(row["tokens"]), "opening": 2} for row in read_jsonl(path)]
        (own / path.name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    masks = {"attention.encoder": "same(clause) | prefix(opening)"}
    run = finished("token_classification", "bert", **{"data.path": str(own)}, **masks)
    assert "take clause, opening from the rows" in (run / "model" / "README.md").read_text()
    assert str(predicted(run, "token_classification", clause=[0] * 5, opening=0)) in printed(run)


@pytest.mark.parametrize(("kind", "family"), [("text_classification", "bert"), ("text_to_text", "t5")])
def test_masks_that_read_spans_of_the_data(kind: str, family: str, finished: Finished) -> None:
    (text,) = ROWS[kind]
    base = finished(kind, family)
    own = base.parents[2] / "spans"
    own.mkdir()
    for path in held_out(base).parent.iterdir():
        rows = [row | {"turn": [[0, 1, 0], [1, len(row[text]), 1]]} for row in read_jsonl(path)]
        (own / path.name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    masks = {"attention.encoder": "near(turn, 0) | ~keys(0)"}
    run = finished(kind, family, **{"data.path": str(own)}, **masks)
    assert "take turn from the rows" in (run / "model" / "README.md").read_text()
    assert str(predicted(run, kind, turn=[[0, 2, 0]])) in printed(run)
    missing, outside = predict(str(run), [ROWS[kind], ROWS[kind] | {"turn": [[0, 99, 0]]}])
    assert missing["error"] == "there is no column 'turn', which a mask reads"
    assert outside["error"] == "column 'turn' holds a span up to 99 in a text of 30 characters"


@pytest.mark.parametrize(
    ("family", "mask"), [("bert", "same(sentence)"), ("bert", "same(word) | global_tokens(0)"), ("t5", "same(segment)")]
)
def test_masks_that_read_texts(family: str, mask: str, finished: Finished) -> None:
    run = finished("text_classification", family, **{"attention.encoder": mask})
    assert predicted(run, "text_classification") in printed(run)


@pytest.mark.parametrize(
    ("kind", "masks"), [("text_classification", MASKS), ("token_classification", {}), ("text_to_text", MASKS)]
)
def test_adapters(kind: str, masks: dict[str, Any], finished: Finished) -> None:
    base = finished(kind, "t5")
    adapted = {"model.scratch": None, "model.name": str(base / "model"), "adapter.kind": "lora"}
    run = finished(kind, "t5", **adapted, **masks)
    assert "predict" in printed(run)
    assert str(predicted(run, kind)) in printed(run)


def test_an_adapter_is_loaded_with_its_masks(finished: Finished) -> None:
    base = finished("text_classification", "t5")
    adapted = {"model.scratch": None, "model.name": str(base / "model"), "adapter.kind": "lora"}
    run = finished("text_classification", "t5", **adapted, **MASKS)
    assert "peft's own loaders do not support masks" in (run / "model" / "README.md").read_text()
    model, tokenizer, masks = finetune.load(run)
    assert str(masks.encoder.mask) == MASKS["attention.encoder"]
    tokens = tokenizer([ROWS["text_classification"]["text"]], return_tensors="pt")
    with torch.inference_mode():
        found = model(**tokens).logits.softmax(-1)[0]
        without = remove_masks(model)(**tokens).logits.softmax(-1)[0]
    (answer,) = predict(str(run), [ROWS["text_classification"]], scores=True)
    expected = [answer["probabilities"][label] for _, label in sorted((model.config.id2label or {}).items())]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=0)
    assert not torch.allclose(found, without, atol=1e-4)
    with pytest.raises(KeyError, match=r"finetune\.load loads it"):
        AutoPeftModelForSequenceClassification.from_pretrained(run / "model")
