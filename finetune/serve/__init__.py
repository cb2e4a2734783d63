"""Prediction with trained models.

`loading` finds a model and the recipe that it was trained by, `predictor` predicts examples, and `files` predicts the
rows of a file of any size in constant memory. Files are read by the readers of training (`finetune.data.files`), and
features and batches are those of training and evaluation. `evaluation` scores a trained model on data with labels.
"""

from finetune.data.files.bad_rows import BadRow
from finetune.serve.evaluation import ModelEvaluation, evaluate_model
from finetune.serve.files import Summary, predict_file
from finetune.serve.formats import Input
from finetune.serve.loading import find_recipe, load_predictor, make_predictor
from finetune.serve.predictor import Predictor
from finetune.serve.rows import predict
from finetune.serve.writing import Output

__all__ = [
    "BadRow",
    "Input",
    "ModelEvaluation",
    "Output",
    "Predictor",
    "Summary",
    "evaluate_model",
    "find_recipe",
    "load_predictor",
    "make_predictor",
    "predict",
    "predict_file",
]
