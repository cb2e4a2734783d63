"""Examples: where they come from, which column is which, what is wrong with them, and how they are batched.

Here lives all that reads and checks data: local files (`files`), the Hub (`hub`), functions of the user's and of
installed packages (`python_source`), and the batches of encoded examples. Tokens, models and metrics are the business
of the packages above.
"""

from typing import TYPE_CHECKING

from finetune.lazy import lazy_names

if TYPE_CHECKING:
    from finetune.data.fields import Field
    from finetune.data.groups import GROUP, SLICE
    from finetune.data.loaded import LoadedData
    from finetune.data.loading import assemble, load_data
    from finetune.data.reading import SourceRows, read_sources

__all__ = ["GROUP", "SLICE", "Field", "LoadedData", "SourceRows", "assemble", "load_data", "read_sources"]

# Lazy, since the first rows of files are checked before the `datasets` library is imported.
__getattr__ = lazy_names(
    __name__,
    {
        "GROUP": "groups",
        "SLICE": "groups",
        "Field": "fields",
        "LoadedData": "loaded",
        "SourceRows": "reading",
        "assemble": "loading",
        "load_data": "loading",
        "read_sources": "reading",
    },
)
