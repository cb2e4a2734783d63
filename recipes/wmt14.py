r"""WMT14 news translation, English to German or any of its pairs.

    accelerate launch finetune/run.py recipe=wmt14

For another pair: data.config=fr-en task.source=en task.target=fr. The configurations are cs-en, de-en, fr-en, hi-en and
ru-en, each of which can be used in both directions.

On local line-aligned files, with a T5 of 11.5 M weights from scratch:

    accelerate launch finetune/run.py recipe=wmt14 data.path=multi30k data.test_path=multi30k/test_2016_flickr \
        model.name=null model.scratch.architecture=t5 task.prefix= training.epochs=7 training.tokens_per_batch=2000 \
        training.gradient_accumulation=1 training.optimizer=adafactor training.learning_rate=2e-2 \
        training.warmup=800 training.eval_every=null

where multi30k holds the 29,000 sentences of Multi30k's task 1 (train.en.gz, train.de.gz, val.en.gz ...). With 4 beams,
BLEU is 38.1 and chrF 62.0 on test 2016, after 45 minutes in bf16 on 2 shared CPU cores.
"""

from finetune.recipe import Data, Model, Recipe, Training, Translation

recipe = Recipe(
    task=Translation(source="en", target="de", prefix="translate {source} to {target}: ", max_source_length=128),
    model=Model(name="google-t5/t5-small"),
    data=Data(name="wmt/wmt14", config="de-en"),
    training=Training(
        epochs=1,
        tokens_per_batch=4000,
        group_by_length=True,
        gradient_accumulation=4,
        learning_rate=1e-4,
        warmup=1000,
        label_smoothing=0.1,
        eval_every=5000,
    ),
)
