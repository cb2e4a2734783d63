"""Models with masks that stand alone: where finetune is not installed they obey their masks, or refuse to load.

A saved model whose masks are not the standard ones gets the code that obeys them, and a configuration under a
model_type of its own, which transformers knows by that code alone. Without trust_remote_code it does not load: stock
transformers takes the code of a model_type that it knows for an offer, and would leave the masks out without a word.
The configuration is locked as well (`locking`), so that a stock class that is named refuses it too. Nothing is added to
models with standard masks.
"""

from finetune.attention.standalone.configuration import CODE_FILES, stand_alone, stock_config

__all__ = ["CODE_FILES", "stand_alone", "stock_config"]
