import pytest

from finetune.samples.minilm import minilm_folder, place_of_minilm


@pytest.mark.network
def test_the_real_model_loads(needs_network: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = minilm_folder()
    assert folder == place_of_minilm()
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.model_type == "bert"
    assert tokenizer.vocab_size == model.config.vocab_size
    logits = model(**tokenizer(["a text", "another, longer text"], padding=True, return_tensors="pt")).logits
    assert logits.shape == (2, 3)
