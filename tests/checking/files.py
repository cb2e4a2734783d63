"""Small csv files, and their checks."""

import csv
from pathlib import Path

from finetune.checking import CheckReport, check_recipe
from finetune.compose import compose
from finetune.errors import UserError

SCRATCH = [
    "model.name=null",
    "model.scratch.architecture=bert",
    "model.scratch.size=tiny",
    "model.scratch.vocab_size=200",
]


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([("sentence", "label"), *rows])
    return path


def clean(count: int = 30) -> list[tuple[str, str]]:
    return [(f"{word} film number {number}", word) for number in range(count) for word in ("good", "bad")]


def check_file(path: Path, *words: str) -> CheckReport:
    return check_recipe(compose(["recipe=sst2", f"data.path={path}", *SCRATCH, *words]))


def problems(findings: list[UserError]) -> str:
    return "\n".join(map(str, findings))
