"""The source of `finetune.attention.pretrained` and all it imports, as one Python module."""

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

from finetune.attention.pretrained.family import Family
from finetune.attention.standalone.own_code import OwnModule

ROOT = "finetune.attention"
ENTRY = f"{ROOT}.pretrained"
WRITER = f"{ROOT}.standalone"
REGISTERED = 'NAME = "finetune_masks"'
"""Where the attention package says under which name transformers knows it."""

HEAD = '''\
"""Attention under masks: the packages of https://pypi.org/project/finetune-masks in one file, as they stand there.

Written by finetune when it saved the model; modeling_finetune_masks.py uses it. Nothing here reads or writes files,
starts programs or asks the network.
"""

import importlib
import importlib.abc
import importlib.util
import sys

import torch  # noqa: F401
import transformers  # noqa: F401

PACKAGE = "{package}"
PACKAGES = {packages}
SOURCES = {{}}


class Loader(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports the modules below, under a name that no other version has."""

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name in SOURCES else None

    def is_package(self, name):
        return name in PACKAGES

    def get_source(self, name):
        return SOURCES[name]

'''
TAIL = """
if PACKAGE not in sys.modules:
    sys.meta_path.append(Loader())

pretrained = importlib.import_module(PACKAGE + ".pretrained")
masks = importlib.import_module(PACKAGE + ".masks")
"""


@cache
def attention_module(own: tuple[OwnModule, ...] = (), families: tuple[Family, ...] = ()) -> str:
    """The text of the module; its attribute `pretrained` is `finetune.attention.pretrained`.

    Args:
        own: Modules of others that define masks; they are imported with it.
        families: Records of architectures that the attention package does not have; they are registered with it.

    Its modules are imported under a name that a hash of them all is part of, and are known to transformers under one of
    the kind, so that models saved by several versions, and finetune itself, live together in one program.
    """
    sources = dict(sorted(collect_sources()))
    packages = [name for name in sources if _path(name).name == "__init__.py"]
    names = {f"{ROOT}.own_{number}": module for number, module in enumerate(own)}
    sources |= {name: module.text for name, module in names.items()}
    digest = sha256("".join([*sources.values(), repr((own, families) if families else own)]).encode()).hexdigest()[:12]
    package = f"finetune_attention_{digest}"
    head = HEAD.format(package=package, packages=_listing({name.replace(ROOT, package) for name in packages}))
    modules = (_section(name, text, package, digest) for name, text in sources.items())
    registered = (_registration(name, module, package) for name, module in names.items())
    added = (f"\npretrained.register_family(pretrained.{family!r})\n" for family in families)
    return head + "".join(modules) + TAIL + "".join([*added, *registered])


def _registration(name: str, module: OwnModule, package: str) -> str:
    """What imports a module of others and makes its predicates known, where it does not do so itself."""
    lines = [f'\nown = importlib.import_module("{name.replace(ROOT, package)}")\n']
    for one in module.predicates:
        needs = f"columns={one.columns!r}, values={one.values!r}, length={one.length}, by_head={one.by_head}"
        lines.append(f"masks.register_predicate({one.name!r}, {needs})(own.{one.function})\n")
    return "".join(lines)


def collect_sources() -> Iterator[tuple[str, str]]:
    """The modules that `finetune.attention.pretrained` needs, itself among them, and their texts."""
    found: set[str] = set()
    waiting = [ENTRY]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            text = _path(name).read_text(encoding="utf-8")
            yield name, text
            waiting += [*_imported(text), *([name.rpartition(".")[0]] if name != ROOT else [])]


def _imported(text: str) -> Iterator[str]:
    """The modules of the attention package that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module and _is_ours(node.module):
            yield node.module
            yield from filter(_exists, (f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _is_ours(alias.name))


def _is_ours(name: str) -> bool:
    """Whether a module is of the attention package, and not of what writes the copy."""
    return name == ROOT or (name.startswith(f"{ROOT}.") and not f"{name}.".startswith(f"{WRITER}."))


def _exists(name: str) -> bool:
    parent, _, leaf = name.rpartition(".")
    folder = _path(parent).parent
    return _path(parent).name == "__init__.py" and ((folder / f"{leaf}.py").is_file() or (folder / leaf).is_dir())


def _path(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def _section(name: str, text: str, package: str, digest: str) -> str:
    """A module as an entry of SOURCES, verbatim but for the names."""
    if REGISTERED in text:
        text = text.replace(REGISTERED, f'NAME = "finetune_masks_{digest}"')
    text = text.replace(ROOT, package)
    quoted = f"r'''{text}'''" if "'''" not in text and not text.endswith("\\") else repr(text)
    return f'\nSOURCES["{name.replace(ROOT, package)}"] = {quoted}\n'


def _listing(names: set[str]) -> str:
    return "{" + ", ".join(f'"{name}"' for name in sorted(names)) + "}"
