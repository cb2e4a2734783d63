"""Names in the configuration of a model with masks; they are part of the format of saved models."""

CONFIG_KEY = "attention_masks"
"""The key of a model's config whose value holds the program and the ids of the special tokens that it names."""
PREFIX = "finetune_masks_"
"""The prefix of the `model_type` in a folder that holds a model with masks and the code that obeys them."""
