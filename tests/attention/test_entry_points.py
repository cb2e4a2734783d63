import math
import sys

import pytest

from finetune.attention.entry_points import EntryPointError, entry_point_names, load_entry_point, packages_with
from tests.packages import Brings
from tests.packages import brings as brings

GROUP = "finetune.examples"


def test_names_and_packages_are_found_without_an_import(brings: Brings) -> None:
    brings("two-examples", GROUP, second="no_such_module:second", first="no_such_module:first")
    assert entry_point_names(GROUP) == ("first", "second")
    assert packages_with(GROUP, "first") == ("two-examples",)
    assert packages_with(GROUP, "third") == ()
    assert "no_such_module" not in sys.modules


def test_the_object_of_an_entry_point_is_imported(brings: Brings) -> None:
    brings("roots", GROUP, root="math:sqrt")
    assert load_entry_point(GROUP, "root") is math.sqrt
    assert load_entry_point(GROUP, "other") is None
    assert load_entry_point("finetune.no_group", "root") is None


def test_an_object_that_cannot_be_imported_names_its_package(brings: Brings) -> None:
    brings("roots", GROUP, root="math:no_such_root")
    with pytest.raises(EntryPointError, match=r"'root' .* comes from the package roots, .* AttributeError: .*update"):
        load_entry_point(GROUP, "root")


def test_a_name_of_several_packages_is_refused(brings: Brings) -> None:
    brings("roots", GROUP, root="math:sqrt")
    brings("more-roots", GROUP, root="math:isqrt")
    assert packages_with(GROUP, "root") == ("more-roots", "roots")
    with pytest.raises(EntryPointError, match=r"several packages .*: more-roots, roots; uninstall all but one"):
        load_entry_point(GROUP, "root")
