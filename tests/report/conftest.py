"""Fixtures of the tests of training, for tests that train."""

from tests.training.conftest import toy as toy
