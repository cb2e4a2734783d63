"""Strings of program interfaces, English to German, by a model from scratch; needs no Hub.

    accelerate launch finetune/run.py recipe=interface_sample

Another language that the catalogues have: task.target=fr. Half of the encoder's heads read a token's neighbours alone,
which a model from scratch need not learn then: with training.epochs=3, BLEU 20.5 and chrF 32.5 on test; with all heads
reading everything (attention.encoder=null) 20.3 and 31.9 (one seed, bf16, 6 to 12 minutes on 2 CPU cores). The
catalogues of five projects address people in two ways in German (du and Sie), which limits what can be reached.
"""

from finetune.recipe import Attention, Data, Model, Recipe, Scratch, Training, Translation

recipe = Recipe(
    task=Translation(source="en", target="de", max_source_length=96, max_target_length=96),
    model=Model(scratch=Scratch(architecture="t5", size="mini", vocab_size=4000)),
    data=Data(sample="interface"),
    attention=Attention(encoder="per_head(window(1), window(4), full(), full())"),
    training=Training(
        epochs=12,
        tokens_per_batch=2000,
        group_by_length=True,
        optimizer="adafactor",
        learning_rate=2e-2,
        weight_decay=0.0,
        warmup=0.1,
        label_smoothing=0.1,
    ),
)
