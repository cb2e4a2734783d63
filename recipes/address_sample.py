"""Parts of postal addresses, word by word; needs no Hub.

    accelerate launch finetune/run.py recipe=address_sample

Hand-labelled addresses of the United States, 29 kinds of part. Test F1 of whole parts 0.892, word accuracy 0.900; the
most frequent label of each word gets 0.61 of the words right. 2 minutes on 2 CPU cores, in fp32.
"""

from finetune.recipe import Data, Model, Recipe, TokenClassification, Training

recipe = Recipe(
    task=TokenClassification(max_length=128),
    model=Model(sample="minilm"),
    data=Data(sample="address"),
    training=Training(epochs=5, batch_size=16, learning_rate=2e-4),
)
