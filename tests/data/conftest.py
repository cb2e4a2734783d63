"""A Hub on this machine, for tests of what is fetched from one, and recipes over small data sets."""

from tests.hub_server.fixtures import hub as hub
from tests.training.conftest import toy as toy
