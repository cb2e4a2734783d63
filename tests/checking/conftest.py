"""Recipes over small data sets."""

from tests.training.conftest import toy as toy
