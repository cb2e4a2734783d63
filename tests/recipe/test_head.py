import peft
import pytest
import transformers

from finetune.recipe import SEQUENCE_HEAD, TEXT_HEAD, TOKEN_HEAD, ModelHead


@pytest.mark.parametrize("head", [SEQUENCE_HEAD, TOKEN_HEAD, TEXT_HEAD], ids=lambda head: head.name)
def test_transformers_and_peft_have_what_a_head_names(head: ModelHead) -> None:
    auto_class = getattr(transformers, head.auto_class)
    t5 = auto_class._model_mapping[transformers.T5Config]
    assert t5.__name__.endswith(head.architectures)
    assert head.peft_task_type in peft.TaskType.__members__
    assert head.writes_text is (not head.has_labels)
