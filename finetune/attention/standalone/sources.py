"""Makes one Python module of the sources of `finetune.attention.pretrained` and everything that it imports."""

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
"""The line of the attention package with the name under which it is registered with transformers."""

HEAD = '''\
"""Attention under masks: the packages of https://pypi.org/project/finetune-masks in one file, unchanged.

finetune wrote this file when it saved the model; modeling_finetune_masks.py imports it. The code does not read or write
files, start programs or use the network.
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
    """Imports the modules below under a name that no other version has."""

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
    """Return the text of the module, whose attribute `pretrained` is a copy of `finetune.attention.pretrained`.

    The package name of the copy and its name for transformers contain a hash of all sources. So models that were saved
    by different versions can be used in one program, also beside finetune itself.

    Args:
        own: Modules outside of finetune that define masks; the copy imports them.
        families: Records of architectures that are not part of the attention package; the copy registers them.
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
    """Return code that imports a module outside of finetune and registers the functions of it that a program names."""
    lines = [f'\nown = importlib.import_module("{name.replace(ROOT, package)}")\n']
    for one in module.functions:
        needs = f"columns={one.columns!r}, values={one.values!r}, length={one.length}, by_head={one.by_head}"
        lines.append(f"masks.{one.decorator}({one.name!r}, {needs})(own.{one.function})\n")
    return "".join(lines)


def collect_sources() -> Iterator[tuple[str, str]]:
    """Yield the names and sources of `finetune.attention.pretrained` and the modules of the package that it imports."""
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
    """Yield the modules of the attention package that a source imports, anywhere in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module and _is_ours(node.module):
            yield node.module
            yield from filter(_exists, (f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _is_ours(alias.name))


def _is_ours(name: str) -> bool:
    """Return whether a module belongs to the attention package, without the package that writes the copy."""
    return name == ROOT or (name.startswith(f"{ROOT}.") and not f"{name}.".startswith(f"{WRITER}."))


def _exists(name: str) -> bool:
    """Return whether there is a module of this name; an import can also name an object of a module."""
    parent, _, leaf = name.rpartition(".")
    folder = _path(parent).parent
    return _path(parent).name == "__init__.py" and ((folder / f"{leaf}.py").is_file() or (folder / leaf).is_dir())


def _path(name: str) -> Path:
    """Return the file of a module."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def _section(name: str, text: str, package: str, digest: str) -> str:
    """Return the assignment of a module's source to SOURCES, in which only the names of package and registry change."""
    if REGISTERED in text:
        text = text.replace(REGISTERED, f'NAME = "finetune_masks_{digest}"')
    text = text.replace(ROOT, package)
    # A raw string keeps the source readable; it cannot hold its own quotes or end with a backslash.
    quoted = f"r'''{text}'''" if "'''" not in text and not text.endswith("\\") else repr(text)
    return f'\nSOURCES["{name.replace(ROOT, package)}"] = {quoted}\n'


def _listing(names: set[str]) -> str:
    """Return a set of names as Python source, sorted."""
    return "{" + ", ".join(f'"{name}"' for name in sorted(names)) + "}"
