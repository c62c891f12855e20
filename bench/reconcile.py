"""The ledger against what the upstreams themselves counted, attempt by attempt.

    .venv/bin/python bench/reconcile.py [--requests 20000] [--concurrency 120] [--seed 1] [--json]

Mixed requests (streamed, not, embeddings, failed over, cut, cancelled by their clients) go through a gateway
process to one simulated engine and two simulated providers that fail in a dozen ways. Each attempt carries
its id upstream, and every twin writes down what it served under it. Must hold (exit 1 otherwise):

- no attempt that a twin served is missing in the ledger, none is there twice, none completed unseen;
- completed attempts: input, cached and output tokens equal the twin's count, and the cost is theirs exactly;
- cancelled ones: not estimated where the target reports running usage, and then between what the client saw
  and what the target counted (a token can be on its way while the cancel travels); the others are marked
  estimated, with a median error of all their tokens of at most 2%.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, closing
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from baseload.core import StepTime
from baseload.twin.pace import Latency
from baseload.twin.served import Served
from baseload.twin.server import Running, TwinConfig, start
from bench.stage import Ask, Heard, Stage, in_parallel

MODEL = "twin-model"
STEP = StepTime(0.012, 1e-5, 1e-9, 2e-6, kv_tokens=4_000_000, max_sequences=512, source="bench")
LATENCY = Latency(ttft_s=0.08, tpot_s=0.012)
MEAN_OUTPUT = 30
PRICES = {"api-a": ("2.50", "10.00", "1.25"), "api-b": ("3.00", "12.00", "1.50")}
FAULTS = (
    "status=500,share=0.02",
    "status=429,retry_after_s=0.05,share=0.01",
    "reset=request,share=0.01",
    "reset=tokens,share=0.01",
    "cut,share=0.01,after_tokens=6",
    "cut,share=0.005,after_tokens=0",
    "error_event,share=0.01,after_tokens=4",
    "error_200,share=0.005",
    "bad_json,share=0.005,after_tokens=1",
)
BAR_MEDIAN_ERROR = 0.02
Count = tuple[int, int, int]
"""Input, cached and output tokens."""
SENTENCE = "the sun and sea are far off, but one can see an old man row “his” red cab out\n"
WORDS = SENTENCE.split(" ")


class Kind(NamedTuple):
    """A kind of request, its weight in the mix, and how it is made from a random source."""

    name: str
    weight: int
    make: Callable[[random.Random], Ask]


def prompt(draw: random.Random, most_words: int = 600) -> str:
    """Text of a length drawn lognormal, as prompts are."""
    words = min(int(draw.lognormvariate(4.0, 1.0)) + 3, most_words)
    text = " ".join(draw.choice(WORDS) for _ in range(words))
    return f"[twin cached={draw.randrange(30)}] {text}" if draw.random() < 0.3 else text


def chat(draw: random.Random, **fields: Any) -> bytes:
    """A chat completion's body: one to four messages, and a bound on its answer."""
    roles = ["system", "user", "assistant", "user"][: draw.choice((1, 2, 2, 4))]
    messages = [{"role": role, "content": prompt(draw)} for role in roles]
    body = {"model": "chat", "messages": messages, "max_tokens": draw.randrange(20, 80), **fields}
    return json.dumps(body, ensure_ascii=draw.random() < 0.5).encode()


def _completed(draw: random.Random) -> Ask:
    return Ask(chat(draw, stream=True, stream_options={"include_usage": draw.random() < 0.5}))


def _left(draw: random.Random) -> Ask:
    return Ask(chat(draw, stream=True, ignore_eos=True), leave_after_events=draw.randrange(1, 18))


def _left_early(draw: random.Random) -> Ask:
    return Ask(chat(draw, stream=True, ignore_eos=True), leave_after_s=draw.uniform(0.0, 0.08))


def _left_running(draw: random.Random) -> Ask:
    options = {"include_usage": True, "continuous_usage_stats": True}
    return Ask(
        chat(draw, stream=True, stream_options=options, ignore_eos=True),
        headers="x-baseload-targets: engine\r\n",
        leave_after_events=draw.randrange(1, 18),
    )


def _left_whole(draw: random.Random) -> Ask:
    return Ask(chat(draw, ignore_eos=True), leave_after_s=draw.uniform(0.05, 0.35))


def _embeddings(draw: random.Random) -> Ask:
    body = {"model": "chat", "input": [" ".join(draw.choices(WORDS, k=draw.randrange(1, 60)))]}
    return Ask(json.dumps(body).encode(), path="/v1/embeddings")


KINDS = (
    Kind("streamed", 36, _completed),
    Kind("unstreamed", 36, lambda draw: Ask(chat(draw))),
    Kind("embeddings", 4, _embeddings),
    Kind("left a stream", 9, _left),
    Kind("left before the first token", 3, _left_early),
    Kind("left a stream with running usage", 5, _left_running),
    Kind("left an unstreamed answer", 7, _left_whole),
)


def configuration(twins: dict[str, Running]) -> dict[str, Any]:
    """The gateway's file: one engine, two providers, no limit in the way."""
    capacity = {
        "base": "12ms",
        "per_sequence": "10us",
        "per_kv_token": "1ns",
        "per_prefill_token": "2us",
        "kv_tokens": 4_000_000,
    }
    owned = {"engine": "vllm", "usd_per_hour": 8, "max_sequences": 512, "capacity": capacity}
    targets: dict[str, Any] = {
        "engine": {"owned": owned, "url": twins["engine"].url, "model": MODEL, "region": "eu-west"}
    }
    for name, (input_usd, output_usd, cached_usd) in PRICES.items():
        price = {"input": input_usd, "output": output_usd, "cached_input": cached_usd}
        section = {"provider": "openai", "key": "none", "price": price}
        targets[name] = {"metered": section, "url": twins[name].url, "model": MODEL, "region": "us"}
    slo = {"ttft": "90ms", "tpot": "14ms"}  # tight: the engine spills under this load
    return {
        "targets": targets,
        "models": {"chat": {"owned": ["engine"], "metered": list(PRICES), "slo": slo}},
        "classes": {"default": {"regions": "any"}},
        "tenants": {"bench": {}},
    }


def run(requests: int, concurrency: int, seed: int, folder: Path) -> dict[str, Any]:
    """Play the mix and reconcile; the figures."""
    draw = random.Random(seed)
    kinds = draw.choices(KINDS, [kind.weight for kind in KINDS], k=requests)
    asks = [(kind, kind.make(draw)) for kind in kinds]
    with ExitStack() as stack:
        common: dict[str, Any] = {"models": (MODEL,), "mean_output_tokens": MEAN_OUTPUT, "keep": 4 * requests}
        twins = {
            "engine": stack.enter_context(start(TwinConfig(step=STEP, faults=FAULTS, seed=seed, **common)))
        }
        for number, name in enumerate(PRICES):
            config = TwinConfig(latency=LATENCY, faults=FAULTS, seed=seed + number + 1, **common)
            twins[name] = stack.enter_context(start(config))
        stage = stack.enter_context(Stage(folder, configuration(twins)))
        heard = uvloop.run(_play(stage, asks, concurrency))
        code = stage.stop()
        served = {name: twin.served().requests for name, twin in twins.items()}
    figures = reconcile(served, _rows(stage.data / "ledger.sqlite"), heard)
    figures["kinds"] = {kind.name: kinds.count(kind) for kind in KINDS}
    figures["exit_code"] = code
    return figures


async def _play(stage: Stage, asks: list[tuple[Kind, Ask]], concurrency: int) -> list[Heard]:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty() and done % 200 == 0:
            print(f"\r{done} of {len(asks)}", end="", file=sys.stderr, flush=True)

    def call(ask: Ask) -> Callable[[], Coroutine[Any, Any, Heard]]:
        return lambda: stage.call(ask)

    heard: list[Heard] = await in_parallel([call(ask) for _, ask in asks], concurrency, tick)
    await asyncio.sleep(1.0)  # cancels on their way arrive
    return heard


def _rows(store: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(store)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM attempts")]


def cost_nano(target: str, served: Served) -> int:
    """What the provider's own count costs at its price, computed apart from baseload: nano-dollars."""
    if target not in PRICES:
        return 0
    input_usd, output_usd, cached_usd = (Decimal(price) for price in PRICES[target])
    uncached = served.input - served.cached
    usd = (uncached * input_usd + served.cached * cached_usd + served.output * output_usd) / 1_000_000
    return int((usd * 10**9).quantize(Decimal(1), ROUND_HALF_EVEN))


class Tally:
    """What the comparison of single attempts adds up to."""

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}
        self.completed_exact = 0
        self.running = self.running_exact = self.running_within = 0
        self.errors: dict[str, list[tuple[float, float]]] = {}  # (of all tokens, of the output)
        self.wrong: list[str] = []

    def compare(self, target: str, served: Served, row: dict[str, Any], client: Heard | None) -> None:
        """One attempt: the target's record, the ledger's row, what the request's client had."""
        outcome = row["outcome"] or "running"
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        theirs = (served.input, served.cached, served.output)
        ours = (row["input_tokens"], row["cached_input_tokens"], row["output_tokens"])
        said = f"{served.id} ({outcome}): {target} counted {theirs}, the ledger {ours} {row['cost_nano']}"
        if row["target"] != target:
            self.wrong.append(f"{said}, booked at {row['target']}")
        elif outcome == "completed":
            if ours == theirs and row["cost_nano"] == cost_nano(target, served):
                self.completed_exact += 1
            else:
                self.wrong.append(said)
        elif outcome == "client_gone":
            seen = last_usage(client.body) if client is not None else 0
            if seen:
                self._running(theirs, ours, seen, bool(row["estimated"]), said)
            elif row["estimated"]:
                kind = "unstreamed" if not row["stream"] else "streamed" if served.sent else "unanswered"
                self._estimated(kind, theirs, ours)
            elif ours != theirs:
                self.wrong.append(f"{said}, not marked estimated")

    def _running(self, theirs: Count, ours: Count, seen: int, estimated: bool, said: str) -> None:
        self.running += 1
        self.running_exact += ours == theirs
        if not estimated and ours[:2] == theirs[:2] and seen <= ours[2] <= theirs[2]:
            self.running_within += 1
        else:
            self.wrong.append(f"{said}, its client had read {seen}")

    def _estimated(self, kind: str, theirs: Count, ours: Count) -> None:
        total, output = theirs[0] + theirs[2], theirs[2]
        error = abs(ours[0] + ours[2] - total) / total, abs(ours[2] - output) / max(output, 1)
        self.errors.setdefault(kind, []).append(error)


def reconcile(
    served: dict[str, list[Served]], rows: list[dict[str, Any]], heard: list[Heard]
) -> dict[str, Any]:
    """The ledger's rows against the twins' records, and both against what the clients had."""
    by_id = {f"{row['request_id']}.{row['attempt']}": row for row in rows}
    clients = {each.request_id: each for each in heard}
    counts = Counter(each.id for records in served.values() for each in records)
    tally = Tally()
    for target, records in served.items():
        for each in records:
            row = by_id.get(each.id)
            if row is not None:
                tally.compare(target, each, row, clients.get(row["request_id"]))
    every_error = [total for pairs in tally.errors.values() for total, _ in pairs]
    return {
        "requests": len(heard),
        "attempts": len(rows),
        "served": counts.total(),
        "failed_over": sum(row["attempt"] > 1 for row in rows),
        "outcomes": dict(sorted(tally.outcomes.items())),
        "missing": sum(name not in by_id for name in counts),
        "duplicated": len(rows) - len(by_id) + counts.total() - len(counts),
        "phantom": sum(row["outcome"] == "completed" and name not in counts for name, row in by_id.items()),
        "completed_exact": tally.completed_exact,
        "running_usage": tally.running,
        "running_usage_exact": tally.running_exact,
        "running_usage_within": tally.running_within,
        "estimates": {
            kind: {
                "count": len(pairs),
                "median_error": round(statistics.median(total for total, _ in pairs), 4),
                "median_error_output": round(statistics.median(output for _, output in pairs), 4),
            }
            for kind, pairs in sorted(tally.errors.items())
        },
        "median_error": round(statistics.median(every_error), 4) if every_error else 0.0,
        "wrong": tally.wrong[:10],
    }


def last_usage(body: bytes) -> int:
    """The output tokens of the last running usage in a stream that was cut; 0 where there is none."""
    at = body.rfind(b'"completion_tokens":')
    return int(body[at + 20 :].partition(b",")[0]) if at >= 0 else 0


def failures(figures: dict[str, Any]) -> list[str]:
    """Which of the promises at the top do not hold."""
    completed = figures["outcomes"].get("completed", 0)
    bars = {
        "attempts are missing in the ledger": figures["missing"] == 0,
        "attempts are there twice": figures["duplicated"] == 0,
        "completed attempts no twin served": figures["phantom"] == 0,
        "completed attempts differ": figures["completed_exact"] == completed,
        "running usage is not what was reported": figures["running_usage_within"] == figures["running_usage"],
        "the median error of estimates is above 2%": figures["median_error"] <= BAR_MEDIAN_ERROR,
        "something does not add up": not figures["wrong"],
        "the gateway did not stop cleanly": figures["exit_code"] == 0,
    }
    return [what for what, holds in bars.items() if not holds]


def main() -> int:
    """Play, reconcile, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = run(options.requests, options.concurrency, options.seed, Path(folder))
    failed = failures(figures)
    if options.json:
        print(json.dumps({**figures, "failed": failed}))
    else:
        for name, value in figures.items():
            print(f"{name:24} {value}")
        print("; ".join(failed) or "every promise holds")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
