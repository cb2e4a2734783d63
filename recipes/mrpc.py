"""MRPC: do two sentences of the news say the same?

    accelerate launch finetune/run.py recipe=mrpc

The first two layers read each sentence alone, the others compare them; attention.encoder=null reads both at once from
the start. The Hub's validation split is the test split here, and dev is cut from train. Not scored yet, with the mask
or without.
"""

from finetune.recipe import Attention, Columns, Data, Model, Recipe, Site, Splits, TextClassification, Training

recipe = Recipe(
    task=TextClassification(max_length=128),
    model=Model(name="google-bert/bert-base-uncased"),
    data=Data(
        name="nyu-mll/glue",
        config="mrpc",
        columns=Columns(text="sentence1", text_pair="sentence2"),
        splits=Splits(dev=None, test="validation"),
    ),
    attention=Attention(encoder=Site(layers={"0-1": "same(segment) | global_tokens(cls)"})),
    training=Training(epochs=3, batch_size=16, learning_rate=3e-5),
)
