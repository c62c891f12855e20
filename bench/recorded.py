"""Recorded exchanges of the providers through a running gateway: how many are carried whole.

    python -m bench.recorded [--json] [--own] [--sample N] [--why]

Reads ../shared/fixtures/exchanges. Every exchange is asked by a client of its own format before targets of
all formats, and answered, byte for byte as it was recorded, to clients of all formats; streams with their
events as recorded, cut in two, all in one chunk, and small ones byte by byte. *whole*: the request reaches
the target as the pure translator writes it, the answer is the recorded bytes or what the pure translator
makes of them, and means the same. *refused*: named by the matrix before anything is sent. *error*, *broken*:
the provider's own error, or a recording that breaks off, told as such. *lost* is anything else. The bar: 95%
of what is not refused is whole. *miscounted*: whole, but the ledger's tokens are not the recorded ones.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from baseload.keys import KeyStore
from tests.gateway.conftest import configuration
from tests.gateway.recorded_cases import Case, cases, example_cases
from tests.gateway.recorded_run import Outcome, fleet, miscounted, run
from tests.gateway.replaying import replaying
from tests.gateway.running import RunningGateway

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
BAR = 0.95
KINDS = ("whole", "refused", "error", "broken", "lost")


def played(chosen: list[Case], folder: Path) -> tuple[list[Outcome], list[str]]:
    """All outcomes, and what was miscounted."""
    with replaying() as target:
        gateway = RunningGateway(folder, configuration(*fleet(target.url, chosen)))
        gateway.key, _ = KeyStore(gateway.data).create("shop")
        gateway.start()
        try:
            outcomes = list(run(gateway, target, chosen))
        except BaseException:
            gateway.kill()
            raise
        gateway.stop()
    return outcomes, miscounted(gateway, outcomes)


def tally(outcomes: list[Outcome]) -> dict[tuple[str, str], Counter[str]]:
    """By client and target, exchanges of each kind; one is whole where it is however it is cut."""
    worst: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for one in outcomes:
        worst[one.case.client.value, one.case.format.value, one.case.exchange["id"]].add(one.kind)
    table: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (client, format_, _), kinds in worst.items():
        table[client, format_]["lost" if len(kinds) > 1 else kinds.pop()] += 1
    return dict(table)


def share(table: dict[tuple[str, str], Counter[str]]) -> tuple[float, float]:
    """Of the exchanges that were answered: whole among those not refused, and among all."""
    sums = sum(table.values(), Counter())
    tried = sums["whole"] + sums["lost"]
    return sums["whole"] / tried, sums["whole"] / (tried + sums["refused"])


def main() -> int:
    """Print the table; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--own", action="store_true", help="the exchanges of our own writing instead")
    parser.add_argument("--sample", type=int, default=1, help="every Nth call only")
    parser.add_argument("--why", action="store_true", help="name what was lost, miscounted and refused")
    options = parser.parse_args()
    chosen = list(example_cases() if options.own else cases(SHARED))[:: options.sample]
    with tempfile.TemporaryDirectory() as folder:
        outcomes, wrong = played(chosen, Path(folder))
    table = tally(outcomes)
    carried, of_all = share(table)
    if options.json:
        rows = [
            {"client": c, "target": t, **{kind: n[kind] for kind in KINDS}} for (c, t), n in table.items()
        ]
        told = {"calls": len(outcomes), "pairs": rows, "carried": carried, "of_all": of_all}
        print(json.dumps({**told, "miscounted": len(wrong)}))
    else:
        print("client    target     " + "".join(f"{kind:>9}" for kind in KINDS))
        for (client, target), counts in sorted(table.items()):
            print(f"{client:<10}{target:<11}" + "".join(f"{counts[kind]:>9}" for kind in KINDS))
        print(f"{len(outcomes)} calls; carried whole: {carried:.1%} of what the matrix lets through,")
        print(f"{of_all:.1%} of all; {len(wrong)} miscounted")
    if options.why:
        for one in outcomes:
            if one.kind == "lost":
                print(f"{one.case} {one.cuts}: {one.why[:1500]}")
        print("\n".join(wrong))
        print(
            Counter(
                f"{one.case.client}->{one.case.format}: {one.why}"
                for one in outcomes
                if one.kind == "refused"
            )
        )
    return int(carried < BAR or bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
