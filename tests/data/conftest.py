"""A Hub on this machine, for tests of what is fetched from one."""

from tests.hub_server.fixtures import hub as hub
