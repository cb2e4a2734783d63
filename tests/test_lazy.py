"""Names of packages that are imported when they are first used."""

import subprocess
import sys

import pytest

import finetune.data
import finetune.report
import finetune.tasks
from finetune.lazy import lazy_names

SLOW = ("torch", "transformers", "datasets", "pandas", "sklearn")


def test_a_name_is_imported_from_its_module() -> None:
    get = lazy_names("finetune.data", {"Rows": "rows"})
    assert get("Rows").__module__ == "finetune.data.rows"
    with pytest.raises(AttributeError, match=r"module 'finetune\.data' has no attribute 'Raws'"):
        get("Raws")


@pytest.mark.parametrize("package", [finetune.data, finetune.tasks, finetune.report])
def test_every_public_name_can_be_imported(package: object) -> None:
    assert all(getattr(package, name) is not None for name in getattr(package, "__all__"))  # noqa: B009
    with pytest.raises(AttributeError):
        _ = getattr(package, "nothing")  # noqa: B009


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("finetune.cli", SLOW),
        ("finetune.tasks.preflight", SLOW),
        ("finetune.data.files", SLOW),
        ("finetune.report.drawings", SLOW[1:]),
    ],
)
def test_what_answers_fast_imports_nothing_slow(module: str, absent: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*[name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
