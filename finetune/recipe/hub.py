"""The recipe's `hub`: where the trained model is published."""

import re

from pydantic import field_validator

from finetune.recipe.base import Section

NAME = re.compile(r"[\w\-][\w.\-]*/[\w\-][\w.\-]*")


class Hub(Section):
    """Publishing on the Hugging Face Hub, and what the model card says that no run can know."""

    push: str | None = None
    """Repository, user/name, to which the model is pushed at the end; `finetune push` does it later."""
    private: bool = False
    """Whether a new repository is private."""
    every_checkpoint: bool = False
    """Push each checkpoint too, as a commit of its own."""
    license: str | None = None
    """Licence in the model card (apache-2.0); the pretrained model's where not given and known."""
    languages: tuple[str, ...] | None = None
    """Languages in the model card (ISO 639); the task's or the data set's where not given and known."""

    @field_validator("push")
    @classmethod
    def _is_name(cls, given: str | None) -> str | None:
        if given is not None and not NAME.fullmatch(given):
            raise ValueError(f"{given!r} is not the name of a repository; write user/name")
        return given
