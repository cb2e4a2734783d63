"""CoNLL-2003: names of persons, organisations, places and others in English news.

accelerate launch finetune/run.py recipe=conll2003
"""

from finetune.recipe import Columns, Data, Model, Recipe, TokenClassification, Training

recipe = Recipe(
    task=TokenClassification(max_length=256, stride=64),
    model=Model(name="google-bert/bert-base-cased"),
    data=Data(
        name="eriktks/conll2003",
        revision="refs/convert/parquet",  # its main branch needs a loading script, which datasets no longer runs
        columns=Columns(labels="ner_tags"),
    ),
    training=Training(epochs=3, batch_size=16, learning_rate=3e-5),
)
