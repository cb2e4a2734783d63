r"""CoNLL-2003: names of persons, organisations, places and others in English news.

    accelerate launch finetune/run.py recipe=conll2003

On local files in CoNLL columns, with a small model that needs no Hub:

    accelerate launch finetune/run.py recipe=conll2003 data.format=conll data.path=wnut17train.conll \
        data.dev_path=emerging.dev.conll data.test_path=emerging.test.annotated model.name=null model.sample=minilm \
        training.learning_rate=2e-4 training.group_by_length=true

with the three files of WNUT-17, whose test entities do not occur in train. The test F1 is 0.431 after 3 minutes on 2
CPU cores, in bf16.
"""

from finetune.recipe import ColumnNames, Data, Model, Recipe, TokenClassification, Training

recipe = Recipe(
    task=TokenClassification(max_length=256, stride=64),
    model=Model(name="google-bert/bert-base-cased"),
    data=Data(
        name="eriktks/conll2003",
        revision="refs/convert/parquet",  # its main branch needs a loading script, which datasets no longer runs
        columns=ColumnNames(labels="ner_tags"),
    ),
    training=Training(epochs=3, batch_size=16, learning_rate=3e-5),
)
