"""The logins of all targets. Equal descriptions share one: twenty models of an account fetch one token."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping

from baseload.core import AwsLogin, EntraLogin, GoogleLogin, LoginSettings, Target
from baseload.gateway.login.aws import SigningLogin
from baseload.gateway.login.aws_keys import AwsSource
from baseload.gateway.login.bearer import BearerLogin
from baseload.gateway.login.clock import Clock
from baseload.gateway.login.entra import EntraSource
from baseload.gateway.login.google import GoogleSource
from baseload.gateway.login.nouns import Login
from baseload.gateway.login.renewal import Renewal
from baseload.gateway.login.static import KeyHeader, StaticKey

FIRST_S = 15.0
"""How long a start or a reload waits for the first answers; they may come later."""


def login_of(
    target: Target,
    key_header: KeyHeader = KeyHeader.BEARER,
    *,
    env: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Login:
    """How attempts at this target are signed in; not yet started. `env` is by default the process's own.

    `key_header` is the header that its wire format wants a lasting key in.
    """
    settings = target.login
    if settings is None:
        return StaticKey(target.credential, key_header)
    return _renewed(settings, os.environ if env is None else env, clock or Clock())


def _renewed(settings: LoginSettings, env: Mapping[str, str], clock: Clock) -> Login:
    match settings:
        case EntraLogin():
            return BearerLogin(Renewal(EntraSource(settings, clock)))
        case GoogleLogin():
            return BearerLogin(Renewal(GoogleSource(settings, clock, env)))
        case AwsLogin():
            return SigningLogin(Renewal(AwsSource(settings, clock, env)), clock)


class Logins:
    """Every login in use, through reloads. `prepare` may block, so that it belongs in a thread."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env = env
        self._kept: dict[LoginSettings, Login] = {}
        self._lock = threading.Lock()

    def of(self, target: Target, key_header: KeyHeader = KeyHeader.BEARER) -> Login:
        """The target's login, started; the one in use where another target has the same."""
        if target.login is None:
            return login_of(target, key_header)
        with self._lock:
            login = self._kept.get(target.login)
            if login is None:
                login = self._kept[target.login] = login_of(target, env=self._env)
                login.start()
        return login

    def prepare(self, targets: Iterable[Target], timeout_s: float = FIRST_S) -> None:
        """Start what is new and wait until each has answered or failed once, `timeout_s` in all at most.

        Raises nothing: what failed is tried again in the background, and its targets are out till then.
        """
        end_s = time.monotonic() + timeout_s
        for login in [self.of(target) for target in targets]:
            login.wait_first(max(0.0, end_s - time.monotonic()))

    def keep(self, targets: Iterable[Target]) -> None:
        """End the logins that none of these targets uses."""
        used = {target.login for target in targets}
        with self._lock:
            for settings in self._kept.keys() - used:
                self._kept.pop(settings).stop()

    def running(self) -> dict[LoginSettings, Login]:
        """What is in use, for metrics."""
        with self._lock:
            return dict(self._kept)

    def stop(self) -> None:
        """End all renewals. Returns at once."""
        self.keep(())
