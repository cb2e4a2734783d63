"""Data sets of packages are known by name before anything is imported."""

import subprocess
import sys

import pytest

from finetune.errors import UserError
from finetune.recipe.data_sets import data_set_names, load_data_set, packages_of_data_set, unknown_data_sets
from tests.packages import Brings
from tests.packages import brings as brings

OWN = ("address", "interface", "licence", "sentiment")


def test_the_names_are_those_of_this_package_and_of_others(brings: Brings) -> None:
    assert set(OWN) <= set(data_set_names())
    brings("corpora", "finetune.data", corpus="no_such_module:load")
    assert set(data_set_names()) >= {*OWN, "corpus"}
    assert packages_of_data_set("corpus") == ("corpora",)
    assert packages_of_data_set("coprus") == ()
    assert "no_such_module" not in sys.modules


def test_each_unknown_name_is_told_with_the_nearest(brings: Brings) -> None:
    brings("corpora", "finetune.data", corpus="no_such_module:load")
    names = {"data.sample": "coprus", "data.sources[1].sample": "adres", "data.sources[2].sample": "licence"}
    first, second = unknown_data_sets(names)
    assert (first.where, first.fix) == ("data.sample=coprus", "did you mean data.sample=corpus?")
    assert second.fix == "did you mean data.sources[1].sample=address?"
    assert str(first.found).startswith("the data sets address, corpus, interface")
    (far,) = unknown_data_sets({"data.sample": "somebodys"})
    assert far.fix == "install the package that brings it"


def test_a_function_is_not_a_name_of_a_data_set() -> None:
    (error,) = unknown_data_sets({"data.sources[0].sample": "mine.py:load"})
    assert str(error.fix).startswith("data.sources[0].function=mine.py:load")
    (error,) = unknown_data_sets({"data.function": "adress"})
    assert str(error.expected).startswith("path/to/mine.py:function, package.module:function, or ")


def test_a_name_of_two_packages_is_refused(brings: Brings) -> None:
    brings("corpora", "finetune.data", sentiment="math:sqrt")
    with pytest.raises(UserError, match=r"several packages .* corpora, finetune-masks") as caught:
        load_data_set("sentiment", "data.sample")
    assert caught.value.where == "data.sample=sentiment"


def test_a_recipe_of_a_data_set_is_composed_without_importing_it() -> None:
    code = (
        "import sys; from finetune import compose; compose.compose(['recipe=sentiment_sample'])\n"
        "print(*[name for name in sys.modules if name.startswith('finetune.samples') or name == 'torch'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
