"""Publishing models on the Hugging Face Hub, and loading published models.

`finetune.training` does not import this package, and has nothing to do with repositories, accounts or model cards.
"""

from finetune.hub.account import Repository, check_access
from finetune.hub.card import write_card
from finetune.hub.load import TrainedModel, load_trained
from finetune.hub.publish import get_ready, publish, publish_finished
from finetune.hub.push import push, push_checkpoint

__all__ = [
    "Repository",
    "TrainedModel",
    "check_access",
    "get_ready",
    "load_trained",
    "publish",
    "publish_finished",
    "push",
    "push_checkpoint",
    "write_card",
]
