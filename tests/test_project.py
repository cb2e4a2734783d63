"""What stands beside the code: license, metadata, citation, and the hooks and workflows that call the scripts."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from finetune import __version__

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_license_is_the_one_that_the_metadata_name() -> None:
    (name,) = PROJECT["license-files"]
    text = (ROOT / name).read_text()
    assert PROJECT["license"] == "Apache-2.0"
    assert text.lstrip().startswith("Apache License\n")
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (__version__, PROJECT["license"])
    assert citation["abstract"] == PROJECT["description"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]


def test_the_package_is_marked_as_typed() -> None:
    assert (ROOT / "finetune" / "py.typed").read_text() == ""
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_the_workflow_runs_the_projects_own_script() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    steps = workflow["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["scripts/test"]
    (python,) = (step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", ""))
    assert f">={python}" == PROJECT["requires-python"]


def test_the_hooks_before_a_commit_check_what_the_tests_check() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = [hook["entry"].split() for hook in repository["hooks"]]
    assert repository["repo"] == "local"
    checks = re.findall(r"^check \w+ (ruff \w+)", (ROOT / "scripts" / "test").read_text(), re.MULTILINE)
    assert [f"{Path(words[0]).name} {words[1]}" for words in entries] == checks


@pytest.mark.parametrize("name", ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_documents_begin_with_a_heading_and_hold_no_placeholder(name: str) -> None:
    text = (ROOT / name).read_text()
    assert text.startswith("# ")
    assert re.findall(r"TODO|TBD|FIXME|example\.(?:com|org)|@\w+\.\w+", text) == []


def test_every_extra_that_a_message_names_exists() -> None:
    named = {
        name
        for file in (ROOT / "finetune").rglob("*.py")
        for name in re.findall(r"MissingExtra\([^)]*, \"([\w-]+)\"\)", file.read_text())
    }
    assert {"peft", "samples", "schedule-free"} <= named <= PROJECT["optional-dependencies"].keys()


def test_a_plain_installation_draws_pictures() -> None:
    assert any(requirement.startswith("matplotlib") for requirement in PROJECT["dependencies"])
    assert PROJECT["optional-dependencies"]["draw"] == []
