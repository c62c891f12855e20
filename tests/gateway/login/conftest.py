"""Every kind of renewed login, against token services of this machine and a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from baseload.gateway.login.aws import SigningLogin
from baseload.gateway.login.bearer import BearerLogin
from baseload.gateway.login.clock import Clock
from baseload.gateway.login.renewal import Renewal
from tests.gateway.login.at_work import KINDS, LoginAtWork, Times, source_of
from tests.gateway.login.clouds import Clouds


@pytest.fixture
def clouds() -> Iterator[Clouds]:
    """Token services; all threads of theirs end with the test."""
    services = Clouds()
    yield services
    services.close()


@pytest.fixture
def make(clouds: Clouds, tmp_path: Path) -> Callable[[str], LoginAtWork]:
    """A login of a kind, not started: `renewal.turn` is what its thread would do."""

    def made(kind: str) -> LoginAtWork:
        times = Times()
        clock = Clock(times.wall_s)
        source = source_of(kind, clouds, clock, tmp_path)
        renewal: Renewal[Any] = Renewal(source, times.now_s, lambda: 0.0)
        login = SigningLogin(renewal, clock) if kind.startswith("aws") else BearerLogin(renewal)
        return LoginAtWork(login, renewal, clouds, times, clock)

    return made


@pytest.fixture(params=KINDS)
def tested(request: pytest.FixtureRequest, make: Callable[[str], LoginAtWork]) -> LoginAtWork:
    """Each kind in turn."""
    return make(request.param)
