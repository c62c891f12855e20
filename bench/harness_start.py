"""Starts the gateway for the harness, which has one fixed client key: `harness_start.py CONFIG DATA`.

A key of ours is random and shown once; here both parts are fixed, so that harness.json can name it. The
folder is a temporary one of the harness's own, and the key opens nothing else.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from baseload import keys
from baseload.core import Limits

LIMITS = Limits(requests_per_minute=100_000_000, tokens_per_minute=1_000_000_000_000, concurrent=1_000_000)
"""So wide that no bench meets them: what is measured is that they are checked."""
FIXED_KEY = f"bl_{'b' * 16}_{'k' * 52}"


def main() -> None:
    config, data = Path(sys.argv[1]), Path(sys.argv[2])
    letters = {keys.ID_BYTES: "b" * 16, keys.SECRET_BYTES: "k" * 52}
    keys._letters = lambda size: letters[size]
    text, _ = keys.KeyStore(data).create("bench", name="harness", limits=LIMITS)
    assert text == FIXED_KEY
    os.execv(sys.executable, [sys.executable, "-m", "baseload", "serve", "--config", str(config)])


if __name__ == "__main__":
    main()
