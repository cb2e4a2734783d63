"""Names under which a model's configuration says that the model has masks."""

CONFIG_KEY = "attention_masks"
"""Where a model's config holds its program and the ids of the special tokens that it names."""
PREFIX = "finetune_masks_"
"""Before the model_type of a model with masks whose folder carries their code."""
