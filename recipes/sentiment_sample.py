"""Sentiment of sentences with human ratings; needs no Hub and is the default.

    accelerate launch finetune/run.py recipe=sentiment_sample

The data are sentences of film reviews whose mean human rating is clearly positive or negative. The test accuracy is
0.864, that of TF-IDF with logistic regression 0.764, and that of the majority class 0.511. The run takes 3 to 6 minutes
on 2 CPU cores, in bf16. Where the first two layers attend to neighbours and [CLS] only
(attention.encoder="{mask: full(), layers: {0-1: window(4) | global_tokens(cls)}}"), the accuracy is 0.863 (one seed
each).
"""

from finetune.recipe import Data, Evaluation, Model, Recipe, TextClassification, Training

recipe = Recipe(
    task=TextClassification(max_length=64),
    model=Model(sample="minilm"),
    data=Data(sample="sentiment"),
    training=Training(epochs=2, batch_size=32, group_by_length=True, learning_rate=1e-4),
    evaluation=Evaluation(baselines=True),
)
