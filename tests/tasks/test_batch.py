import torch

from finetune.attention.layout import Ragged
from finetune.tasks.batch import IGNORE_INDEX, Batch

IDS = torch.tensor([[5, 6, 7]])


def make(**inputs: object) -> Batch:
    return Batch({"input_ids": IDS, **inputs}, torch.tensor([1, IGNORE_INDEX]), (0, 1), (0, 1))


def test_the_source_has_what_masks_read_only_where_there_is_something() -> None:
    batch = make()
    assert batch.source == batch.inputs
    columns = {"word": torch.tensor([[0, 1, 1]])}
    masked = Batch(batch.inputs, batch.label_ids, (0,), (0,), mask_features=columns)
    assert masked.source == batch.inputs | {"mask_features": columns}


def test_targets_lie_in_the_decoders_stream_where_there_is_one() -> None:
    source, target = Ragged.from_lengths([1, 2]), Ragged.from_lengths([2, 1])
    assert make().target_layout is None
    assert make(layout=source).target_layout is source
    assert make(layout=source, decoder_layout=target).target_layout is target


def test_ignored_targets_are_those_of_pytorch() -> None:
    losses = torch.nn.functional.cross_entropy(torch.zeros(2, 3), torch.tensor([1, IGNORE_INDEX]), reduction="none")
    assert losses[1] == 0 < losses[0]


def test_every_tensor_moves_to_the_device() -> None:
    batch = Batch(
        {"input_ids": IDS, "layout": Ragged.from_lengths([3])},
        torch.tensor([1]),
        (0,),
        (0,),
        mask_features={"word": IDS},
        weights=torch.tensor([2.0]),
    )
    moved = batch.to(torch.device("meta"))
    assert moved.weights is not None
    tensors = (moved.inputs["input_ids"], moved.label_ids, moved.mask_features["word"], moved.weights)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.features == batch.features
