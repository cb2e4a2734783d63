"""The oldest versions that the dependencies' bounds allow, as constraints for pip."""

import re
import tomllib

from scripts.oldest_versions import ROOT, oldest_versions


def test_each_lower_bound_becomes_a_constraint() -> None:
    project = {
        "dependencies": ["torch>=2.13,<3", "rich", "a[b]>=1.2.3"],
        "optional-dependencies": {"x": ["peft>=0.21,<1"], "test": ["me[x]", "types-y"]},
    }
    assert list(oldest_versions(project)) == ["torch==2.13", "a==1.2.3", "peft==0.21"]


def test_every_dependency_of_a_run_has_a_bound_that_the_lock_satisfies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = dict(line.split("==") for line in oldest_versions({"dependencies": project["dependencies"]}))
    assert len(oldest) == len(project["dependencies"])
    locked = dict(re.findall(r"^([\w.-]+)==([\w.]+)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    locked = {name.lower().replace("-", "_"): version for name, version in locked.items()}
    for name, version in oldest.items():
        exact = locked[name.lower().replace("-", "_")]
        assert [int(part) for part in exact.split(".")] >= [int(part) for part in version.split(".")], name
