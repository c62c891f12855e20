"""Data ports for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from baseload.gateway.server import PortLimits
from tests.gateway.http.port import Port

MakePort = Callable[..., Port]


@pytest.fixture(scope="session")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    """One port with the limits users have, for tests that leave nothing behind."""
    made = Port(tmp_path_factory.mktemp("port"), PortLimits())
    yield made
    made.close()


@pytest.fixture
def make_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakePort]:
    """Ports with limits of their own: `make_port(head_s=0.5)`; `port` keywords as `Port` has them."""
    made: list[Port] = []

    def make(*, port: dict[str, Any] | None = None, **limits: Any) -> Port:
        made.append(Port(tmp_path_factory.mktemp("port"), PortLimits(**limits), **(port or {})))
        return made[-1]

    yield make
    for each in made:
        each.close()
