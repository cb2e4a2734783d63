"""WMT14 news translation, English to German or any of its pairs.

    accelerate launch finetune/run.py recipe=wmt14

Another pair: data.config=fr-en task.source=en task.target=fr (the configurations are cs-en, de-en, fr-en, hi-en and
ru-en, each usable in both directions).
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
