"""Examples: where they come from, which column is which, what is wrong with them, and how they are batched.

Here lives all that reads and checks data: local files (`files`), the Hub (`hub`), packaged samples (`samples`), and
the batches of encoded examples. Tokens, models and metrics are the business of the packages above.
"""

from finetune.data.fields import Field
from finetune.data.loaded import Loaded
from finetune.data.loading import assemble, load
from finetune.data.reading import Given, read

__all__ = ["Field", "Given", "Loaded", "assemble", "load", "read"]
