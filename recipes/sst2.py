"""SST-2: is a sentence from a film review positive or negative?

    accelerate launch finetune/run.py recipe=sst2

The Hub's test split has no labels: its validation split is the test split here, as papers report it, and dev is cut
from train.
"""

from finetune.recipe import Columns, Data, Model, Recipe, Splits, TextClassification, Training

recipe = Recipe(
    task=TextClassification(max_length=128),
    model=Model(name="google-bert/bert-base-uncased"),
    data=Data(
        name="stanfordnlp/sst2",
        columns=Columns(text="sentence"),
        splits=Splits(dev=None, test="validation"),
        dev_share=0.02,
    ),
    training=Training(epochs=3, batch_size=32, learning_rate=2e-5),
)
