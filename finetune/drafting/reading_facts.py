"""How the files are written, as keys where training need not find it out again, and as sentences."""

from finetune.data.files.all_columns import FirstRows
from finetune.data.files.dialects import DELIMITERS
from finetune.data.messages import plural, shorten_list
from finetune.drafting.keys import DraftedKey
from finetune.drafting.sources import DataFiles


def keys(files: DataFiles, rows: FirstRows) -> list[DraftedKey]:
    """Return the keys of what was found out about a single file.

    Several files may be written in different ways, which training finds out for each.
    """
    if len(files.splits) > 1 or files.others:
        return []
    found = []
    if rows.source.format != files.train.format:
        found.append(DraftedKey("data.format", rows.source.format, "found in the file"))
    for key in ("encoding", "delimiter"):
        value, before = getattr(rows.data, key), getattr(files.data, key)
        if value != before and value != "utf-8":
            found.append(DraftedKey(f"data.{key}", value, "found in the file"))
    return found


def sentences(files: DataFiles, rows: FirstRows) -> tuple[str, ...]:
    """Return sentences on the data: files, format, encoding, delimiter, header and number of rows."""
    form = rows.source.format
    facts = [form]
    if form not in ("parquet", "saved", "tmx", "xliff"):
        facts.append(rows.data.encoding or "utf-8")
    if form in ("csv", "tsv"):
        delimiter = rows.data.delimiter or {"csv": ",", "tsv": "\t"}[form]
        facts.append(f"separated by {DELIMITERS.get(delimiter, repr(delimiter))}")
        facts.append("no header" if rows.data.column_names else "with a header")
    count = plural(len(rows), "sentence" if form == "conll" else "row")
    read = count if rows.is_whole else f"looked at the first {count}"
    first = f"{files.train.name}: {', '.join(facts)}; {read}; columns {shorten_list(list(rows.columns), most=10)}"
    others = [f"{plural(files.others, 'further file')} of train: not looked at"] if files.others else []
    splits = [split for split in files.splits if split != "train"]
    more = [f"files for {' and '.join(splits)} are there"] if splits else []
    return (first, *others, *more, *dict.fromkeys(rows.notes))
