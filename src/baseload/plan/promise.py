"""What requests are promised."""

from __future__ import annotations

from typing import NamedTuple

from baseload.core import Slo


class Promise(NamedTuple):
    """TTFT and TPOT that this share of requests must see: 0.95 is p95. Nobody may be refused."""

    slo: Slo
    share: float = 0.95
