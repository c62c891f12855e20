"""kill -9 of the gateway under load, again and again: what the ledger knows afterwards.

    .venv/bin/python bench/kill.py [--kills 50] [--concurrency 40] [--seed 1] [--json]

Clients call without pause, streamed and not; some leave. At a random moment the gateway is killed and started
again on the same data; the twins behind it live on and write down what they served. Must hold (exit 1
otherwise):

- every attempt that a twin served is in the ledger, settled or unknown, and none is still running;
- none is there twice, and no attempt id was sent twice;
- at most as many are unknown as were under way at the kill;
- whatever a client has as a whole answer is booked as completed, with the twin's own count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from baseload.core import StepTime
from baseload.twin.pace import Latency
from baseload.twin.served import Served
from baseload.twin.server import Running, TwinConfig, start
from bench.stage import Ask, Heard, Stage

MODEL = "twin-model"
STEP = StepTime(0.004, 1e-6, 1e-9, 1e-6, kv_tokens=400_000, max_sequences=64, source="bench")
BOOT = slice(11, 17)
"""Where a request's id names the gateway's start it belongs to."""


def configuration(twins: dict[str, Running]) -> dict[str, Any]:
    """One engine and one provider; the journal's segments are short: kills meet their changes, too."""
    capacity = {"base": "4ms", "per_sequence": "1us", "per_kv_token": "1ns", "per_prefill_token": "1us"}
    owned = {
        "engine": "vllm",
        "usd_per_hour": 8,
        "max_sequences": 64,
        "capacity": {**capacity, "kv_tokens": 400_000},
    }
    metered = {"provider": "openai", "key": "none", "price": {"input": "2.50", "output": "10.00"}}
    place = {"model": MODEL, "region": "us"}
    return {
        "targets": {
            "engine": {"owned": owned, "url": twins["engine"].url, **place},
            "api": {"metered": metered, "url": twins["api"].url, **place},
        },
        "models": {"chat": {"owned": ["engine"], "metered": ["api"], "slo": {"ttft": "20ms", "tpot": "5ms"}}},
        "classes": {"default": {"regions": "any"}},
        "tenants": {"bench": {}},
        "journal": {"segment": "1MiB"},
    }


def ask(draw: random.Random) -> Ask:
    """Streamed or not; one in ten of the streamed ones is left early."""
    stream = draw.random() < 0.5
    content = "word " * draw.randrange(1, 60)
    body = {"model": "chat", "messages": [{"role": "user", "content": content}], "stream": stream}
    leave = draw.randrange(1, 8) if stream and draw.random() < 0.1 else None
    body["max_tokens"] = draw.randrange(2, 40)
    return Ask(json.dumps(body).encode(), leave_after_events=leave)


async def until_killed(stage: Stage, concurrency: int, draw: random.Random) -> tuple[int, list[Heard]]:
    """Load, and the kill in the midst of it; how many calls were under way, and what all clients had."""
    heard: list[Heard] = []
    under_way = 0
    alive = True

    async def client() -> None:
        nonlocal under_way
        while alive:
            under_way += 1
            heard.append(await stage.call(ask(draw)))
            under_way -= 1

    clients = [asyncio.ensure_future(client()) for _ in range(concurrency)]
    await asyncio.sleep(draw.uniform(0.05, 0.8))
    alive = False
    at_the_kill = under_way
    stage.kill()
    await asyncio.gather(*clients)
    return at_the_kill, heard


def run(kills: int, concurrency: int, seed: int, folder: Path) -> dict[str, Any]:
    """Kill so many times, start a last time, stop cleanly, and compare; the figures."""
    draw = random.Random(seed)
    heard: list[Heard] = []
    at_kills: list[int] = []
    with ExitStack() as stack:
        common: dict[str, Any] = {"models": (MODEL,), "mean_output_tokens": 20, "keep": 10**7}
        latency = Latency(ttft_s=0.02, tpot_s=0.002)
        twins = {
            "engine": stack.enter_context(start(TwinConfig(step=STEP, **common))),
            "api": stack.enter_context(start(TwinConfig(latency=latency, **common))),
        }
        stage = Stage(folder, configuration(twins))
        for number in range(kills):
            stage.start()
            under_way, answers = uvloop.run(until_killed(stage, concurrency, draw))
            at_kills.append(under_way)
            heard += answers
            if sys.stderr.isatty():
                print(f"\rkill {number + 1} of {kills}", end="", file=sys.stderr, flush=True)
        stage.start()
        code = stage.stop()
        served = [each for twin in twins.values() for each in twin.served().requests]
    with closing(sqlite3.connect(stage.data / "ledger.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("SELECT * FROM attempts")]
        damage = connection.execute("SELECT count(*) FROM damage").fetchone()[0]
    return {**compare(served, rows, heard, at_kills), "damage": damage, "exit_code": code}


def compare(
    served: list[Served], rows: list[dict[str, Any]], heard: list[Heard], at_kills: list[int]
) -> dict[str, Any]:
    """The figures of all kills together."""
    by_id = {f"{row['request_id']}.{row['attempt']}": row for row in rows}
    theirs = {each.id: each for each in served}
    unknown = Counter(row["request_id"][BOOT] for row in rows if row["outcome"] == "unknown")
    whole = [each for each in heard if each.whole and each.status == 200]
    booked = {row["request_id"]: row for row in rows if row["outcome"] == "completed"}
    exact = 0
    for each in whole:
        row = booked.get(each.request_id)
        twin = theirs.get(f"{each.request_id}.{row['attempt']}") if row else None
        exact += bool(row and twin and row["output_tokens"] == twin.output and not row["estimated"])
    return {
        "kills": len(at_kills),
        "under_way_at_kills": sum(at_kills),
        "answers": len(whole),
        "attempts": len(rows),
        "served": len(served),
        "missing": sum(name not in by_id for name in theirs),
        "twice": len(rows) - len(by_id) + len(served) - len(theirs),
        "running": sum(row["outcome"] is None for row in rows),
        "unknown": unknown.total(),
        "most_unknown_at_a_kill": max(unknown.values(), default=0),
        "most_under_way_at_a_kill": max(at_kills),
        "most_unknown_beyond_under_way": _beyond(rows, unknown, at_kills),
        "answers_not_booked_exactly": len(whole) - exact,
    }


def _beyond(rows: list[dict[str, Any]], unknown: Counter[str], at_kills: list[int]) -> int:
    """By how many the unknown attempts of a kill exceed the requests under way at that kill, at the worst."""
    first: dict[str, int] = {}
    for row in rows:
        boot = row["request_id"][BOOT]
        first[boot] = min(first.get(boot, row["began_ns"]), row["began_ns"])
    boots = sorted(first, key=lambda boot: first[boot])
    if len(boots) != len(at_kills):
        raise RuntimeError(f"{len(at_kills)} kills, but requests of {len(boots)} processes in the ledger")
    return max(unknown[boot] - under_way for boot, under_way in zip(boots, at_kills, strict=True))


def failures(figures: dict[str, Any]) -> list[str]:
    """Which of the promises at the top do not hold."""
    bars = {
        "attempts are missing in the ledger": figures["missing"] == 0,
        "attempts are there twice": figures["twice"] == 0,
        "attempts are running for ever": figures["running"] == 0,
        "more are unknown than were under way": figures["most_unknown_beyond_under_way"] <= 0,
        "whole answers are not booked exactly": figures["answers_not_booked_exactly"] == 0,
        "journal bytes could not be read": figures["damage"] == 0,
        "the last stop was not clean": figures["exit_code"] == 0,
        "nothing was tested": figures["answers"] > 0 and figures["unknown"] > 0,
    }
    return [what for what, holds in bars.items() if not holds]


def main() -> int:
    """Kill, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--concurrency", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = run(options.kills, options.concurrency, options.seed, Path(folder))
    failed = failures(figures)
    if options.json:
        print(json.dumps({**figures, "failed": failed}))
    else:
        for name, value in figures.items():
            print(f"{name:28} {value}")
        print("; ".join(failed) or "every promise holds")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
