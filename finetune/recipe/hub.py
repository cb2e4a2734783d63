"""The recipe's `hub`: where the trained model is published."""

import re

from pydantic import field_validator

from finetune.recipe.base import Section

NAME = re.compile(r"[\w\-][\w.\-]*/[\w\-][\w.\-]*")
"""The name of a repository on the Hub: user/name."""


class Hub(Section):
    """Publishing on the Hugging Face Hub, and what the model card cannot learn from the run."""

    push: str | None = None
    """The Hub repository (user/name) to which the model is pushed when it is trained. By default it is not pushed;
    `finetune push` does so later."""
    private: bool = False
    """Whether the repository is private, where the push creates it."""
    every_checkpoint: bool = False
    """Whether each checkpoint is pushed during training too, as one commit."""
    license: str | None = None
    """The licence that the model card names (apache-2.0). The default is the pretrained model's, where it is known."""
    languages: tuple[str, ...] | None = None
    """The languages that the model card names, as ISO 639 codes. The default is those of the task or the data set,
    where they are known."""

    @field_validator("push")
    @classmethod
    def _is_name(cls, given: str | None) -> str | None:
        if given is not None and not NAME.fullmatch(given):
            raise ValueError(f"{given!r} is not the name of a repository; write user/name")
        return given
