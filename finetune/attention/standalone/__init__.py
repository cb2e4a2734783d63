"""Saves models with masks so that they obey the masks where finetune is not installed, or do not load there.

A saved model whose masks are not the standard ones gets the code that obeys them, and a `model_type` of its own, which
transformers does not know without that code. So the model does not load without `trust_remote_code=True`. Under the
stock `model_type`, transformers would treat the code as optional and silently load the model without its masks. The
configuration is locked as well (`locking`), so that stock classes such as BertModel cannot load it either. Nothing is
added to models with standard masks.
"""

from finetune.attention.standalone.configuration import CODE_FILES, stand_alone, stock_config

__all__ = ["CODE_FILES", "stand_alone", "stock_config"]
