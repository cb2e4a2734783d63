"""A Hub on this machine."""

from tests.hub_server.fixtures import hub as hub
