"""Drawings of the masks of a run, as text and as a picture."""

from finetune.attention.drawing import to_text
from finetune.attention.example_panels import LENGTH, example_panels
from finetune.attention.picture import save_picture
from finetune.hub.run_facts import RunFacts
from finetune.models.stored_config import attention_shape

__all__ = ["LENGTH", "PICTURE", "draw_masks"]

PICTURE = "masks.png"


def draw_masks(facts: RunFacts) -> str:
    """Return a drawing of the masks that are not the standard ones as text, and write a picture into the model folder.

    The masks are drawn for an example of 16 tokens, with special tokens at its ends, and with three segments, sentences
    and words of equal length.
    """
    panels = example_panels(facts.program, *attention_shape(facts.config))
    save_picture(panels, facts.model / PICTURE, None, None)
    return to_text(panels, None, None, 100)
