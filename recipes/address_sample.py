"""Parts of postal addresses, word by word; needs no Hub.

accelerate launch finetune/run.py recipe=address_sample
"""

from finetune.recipe import Data, Model, Recipe, TokenClassification, Training

recipe = Recipe(
    task=TokenClassification(max_length=128),
    model=Model(sample="minilm"),
    data=Data(sample="address"),
    training=Training(epochs=5, batch_size=16, learning_rate=2e-4),
)
