"""MRPC: do two sentences of the news say the same?

    accelerate launch finetune/run.py recipe=mrpc

The Hub's validation split is the test split here, and dev is cut from train.

All heads read both sentences, for a reason: on MSR's own files (test of 1,725 pairs) all-MiniLM-L6-v2 gets 0.816 of
them right after 3 epochs (learning rate 1e-4); where half of its heads read each sentence alone,
attention.encoder="per_head(same(segment) | global_tokens(cls), full())", 0.683; where its first two layers do, 0.69 and
0.72 with two seeds; the most frequent answer, 0.665.
"""

from finetune.recipe import ColumnNames, Data, Model, Recipe, SplitNames, TextClassification, Training

recipe = Recipe(
    task=TextClassification(max_length=128),
    model=Model(name="google-bert/bert-base-uncased"),
    data=Data(
        name="nyu-mll/glue",
        config="mrpc",
        columns=ColumnNames(text="sentence1", text_pair="sentence2"),
        splits=SplitNames(dev=None, test="validation"),
    ),
    training=Training(epochs=3, batch_size=16, learning_rate=3e-5),
)
