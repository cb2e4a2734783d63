"""`finetune init`: a look at data, and a recipe that fits them, with reasons and doubts as comments.

Each module decides one subject: the files of the splits (`sources`), whether a table has a header (`headers`), what
the columns hold (`profiles`) and are for (`classification`, `text_pairs`, `word_labels`), the lengths (`lengths`), the
model (`model_choice`) and the training (`amounts`). `writing` makes a file of the decisions, the `DraftedKey`s.
"""

from finetune.drafting.draft import Draft, draft_recipe
from finetune.drafting.summary import next_commands, summary

__all__ = ["Draft", "draft_recipe", "next_commands", "summary"]
