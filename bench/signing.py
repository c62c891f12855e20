"""What signing an attempt in costs on the data path: CPU of `header_lines` by kind and size of the body.

    .venv/bin/python -m bench.signing [--seconds 0.5]

Each figure is the median and the least of nine rounds, in microseconds of this process's CPU a call. The
body's SHA-256 alone stands beside what AWS asks for, since no signature comes without it. Nothing is fetched:
the logins hold what they need, as they do while a gateway runs.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from statistics import median

from baseload.core import AwsLogin, Side, Target
from baseload.gateway.login import Call, KeyHeader, Login, login_of
from baseload.gateway.login.bearer import BearerLogin
from baseload.gateway.login.nouns import Obtained
from baseload.gateway.login.renewal import Renewal
from baseload.wire.aws_events import EventReader, encode_event

ROUNDS = 9
SIZES = (1024, 32 * 1024)
PATH = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream"
HOST = "bedrock-runtime.us-east-1.amazonaws.com"
EVENT = b'{"contentBlockIndex":0,"delta":{"text":" tokens"},"p":"abcdefghijklmnopqrstuvwxyz"}'


class _Given:
    """A token that is already there."""

    name = "of a bench"

    def obtain(self) -> Obtained[bytes]:
        return Obtained(b"authorization: Bearer %b\r\n" % (b"t" * 1200), 3600.0)


def logins() -> dict[str, Login]:
    """One of each cost, fresh: a lasting key, an access token, lasting and temporary AWS keys."""
    renewal = Renewal(_Given())
    renewal.turn()
    aws = {
        "AWS keys": AwsLogin("us-east-1", "AKIDEXAMPLE", "s" * 40),
        "AWS session": AwsLogin("us-east-1", "ASIAEXAMPLE", "s" * 40, "t" * 900),
    }
    found: dict[str, Login] = {
        "lasting key": login_of(Target("key", Side.METERED, "", credential="k" * 160), KeyHeader.BEARER),
        "access token": BearerLogin(renewal),
    }
    for name, settings in aws.items():
        found[name] = login_of(Target(name, Side.METERED, "", login=settings), env={})
        found[name].start()
        assert found[name].wait_first(10)
    return found


def cost_us(call: Callable[[], object], seconds: float) -> tuple[float, float]:
    """CPU microseconds of a call: the median and the least of the rounds, which last `seconds` together."""
    repeats, spent_s = 1, 0.0
    while spent_s < seconds / ROUNDS:
        repeats *= 2
        spent_s = _spent_s(call, repeats)
    costs = [_spent_s(call, repeats) / repeats * 1e6 for _ in range(ROUNDS)]
    return median(costs), min(costs)


def _spent_s(call: Callable[[], object], repeats: int) -> float:
    start_s = time.process_time()
    for _ in range(repeats):
        call()
    return time.process_time() - start_s


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=0.5, help="CPU seconds a figure (default 0.5)")
    seconds = parser.parse_args().seconds
    print(f"CPU µs a call, median (least) of {ROUNDS}; Python {platform.python_version()}")
    for size in SIZES:
        call = Call("POST", PATH, HOST, b"x" * size)
        for name, login in logins().items():
            signed = partial(login.header_lines, call, time.monotonic())
            show(f"{name}, {size // 1024} KiB body", *cost_us(signed, seconds))
        show(f"SHA-256 of {size // 1024} KiB alone", *cost_us(partial(_digest, call.body), seconds))
    event, reader = encode_event("contentBlockDelta", EVENT), EventReader()
    show("one frame of an event stream read", *cost_us(partial(reader.feed, event), seconds))


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()


def show(what: str, middle: float, least: float) -> None:
    """One row."""
    print(f"{what:<38} {middle:7.2f}  ({least:.2f})")


if __name__ == "__main__":
    main()
