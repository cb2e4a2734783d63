"""Fine-tunes pretrained BERT and T5 models under attention masks written as expressions."""

__version__ = "0.1.0"
