"""Parts of postal addresses, word by word; needs no Hub.

    accelerate launch finetune/run.py recipe=address_sample

The data are hand-labelled addresses of the United States, with 29 kinds of parts. The label of a word depends on its
neighbours: each token attends to four tokens on each side, and to the whole address through [CLS]. The test F1 of whole
parts is 0.879, 0.874 and 0.884 with three seeds. Without the mask (attention.encoder=null) it is 0.888, 0.874 and
0.886, so the window costs 0.4 points on average. Labelling each word by its most frequent label is right for 0.61 of
the words. The run takes 1 to 2 minutes on 2 CPU cores, in bf16.
"""

from finetune.recipe import Attention, Data, Model, Recipe, TokenClassification, Training

recipe = Recipe(
    task=TokenClassification(max_length=128),
    model=Model(sample="minilm"),
    data=Data(sample="address"),
    attention=Attention(encoder="window(4) | global_tokens(cls)"),
    training=Training(epochs=5, batch_size=16, learning_rate=2e-4),
)
