"""Trained models at work: what they say of texts that nobody has labelled.

Here lives what finds a model and what it was trained to do, predicts rows of any number in constant memory, and reads
and writes their files. Features, batches and predictions are made by the packages below, as in training.
"""

from finetune.data.files.bad_rows import BadRow
from finetune.serve.files import Summary, predict_file
from finetune.serve.formats import Input
from finetune.serve.loading import find_recipe, load_predictor, make_predictor
from finetune.serve.predictor import Predictor
from finetune.serve.rows import predict
from finetune.serve.writing import Output

__all__ = [
    "BadRow",
    "Input",
    "Output",
    "Predictor",
    "Summary",
    "find_recipe",
    "load_predictor",
    "make_predictor",
    "predict",
    "predict_file",
]
