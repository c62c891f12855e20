"""CPU of the gateway per request and per chunk, as ratios to nginx in the same run.

    .venv/bin/python -m bench.gateway [--rounds 3] [--seconds 4] [--phases cpu,big,tls,chunks] [--python PATH]

Uses the harness beside the repository (../shared/bench/gateway): a cheap upstream and a load generator in C
on one core, the measured program alone on the other. nginx and baseload are measured in turns; a ratio is
the median over the rounds. baseload runs with everything on (bench/harness.yaml): key check, limits of key,
tenant and model, dispatch over four targets, journal, ledger, metrics.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, NamedTuple

from bench.tls_upstream import over_tls, tls_front

HERE = Path(__file__).resolve().parent
HARNESS = HERE.parent.parent / "shared" / "bench" / "gateway" / "gwbench.py"
GATEWAY_CORE, LOAD_CORE = 0, 1
PHASES = ("cpu", "big", "tls", "chunks", "transit", "rate", "memory")


class Bar(NamedTuple):
    """What a figure must not exceed: `times` nginx's in the same run plus `plus`; None is only shown."""

    what: str
    times: float | None
    plus: float = 0.0


BARS: dict[str, Bar] = {
    "us_per_request": Bar("CPU us per request, gateway process", 3.5),
    "us_per_request_tree": Bar("CPU us per request, with ingest", 5.0),
    "us_per_big_request": Bar("CPU us per request, 32 KB prompt", None),
    "us_per_tls_request": Bar("CPU us per request, TLS to the upstream", None),
    "us_per_chunk": Bar("CPU us per chunk, 20,000 chunks/s", 1.5),
    "transit_p50_us": Bar("us from upstream's write to client's read, 2,000 chunks/s", 0.0, 1000.0),
    "added_p50_us": Bar("us added to a request at 1,000/s, p50", 1.0, 150.0),
    "added_p99_us": Bar("us added to a request at 1,000/s, p99", 0.0, 2000.0),
    "kib_per_stream": Bar("KiB per open stream, 2,000 streams", 0.0, 12.0),
    "idle_rss_mib": Bar("MiB resident, idle", 0.0, 70.0),
}


def _harness() -> ModuleType:
    if not HARNESS.is_file():
        sys.exit(
            f"needs the measuring harness {HARNESS.name} in ../shared/bench/gateway beside the repository"
        )
    spec = importlib.util.spec_from_file_location("gwbench", HARNESS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Measure:
    """One program under the harness's load."""

    def __init__(self, harness: ModuleType, seconds: float, python: str) -> None:
        self.harness = harness
        self.seconds = seconds
        self.targets = harness.load_targets([str(HERE / "harness.json")])
        self.targets["baseload"]["cmd"][0] = python

    def _cpu_s(self, pid: int) -> tuple[float, float]:
        """(the process alone, its whole tree), user and system together."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        alone = (int(fields[11]) + int(fields[12])) / self.harness.TICK
        return alone, float(sum(self.harness.tree_cpu(pid)))

    def _load(self, gateway: Any, arguments: list[object], settle_s: float) -> dict[str, Any]:
        command = [self.harness.LOAD, "--port", str(gateway.port), "--path", gateway.path]
        command += ["--model", gateway.model, "--key", gateway.key]
        command += [str(a) for a in (*arguments, "--warmup", settle_s, "--duration", self.seconds)]
        process = subprocess.Popen(
            command, preexec_fn=self.harness.pinned(LOAD_CORE), stdout=subprocess.PIPE, text=True
        )
        time.sleep(settle_s)
        before, began_s = self._cpu_s(gateway.pid), time.time()
        time.sleep(self.seconds - 0.05)
        after, ended_s = self._cpu_s(gateway.pid), time.time()
        output, _ = process.communicate()
        result: dict[str, Any] = json.loads(output)
        scale = self.seconds / (ended_s - began_s)
        result["alone_s"] = (after[0] - before[0]) * scale
        result["tree_s"] = (after[1] - before[1]) * scale
        return result

    def _own_s(self, gateway: Any, result: dict[str, Any]) -> float:
        """CPU of the serving process: baseload's without its ingest; nginx's worker with its idle master."""
        return float(result["alone_s" if gateway.spec["name"] == "baseload" else "tree_s"])

    def _memory_mib(self, gateway: Any) -> float:
        """Resident memory of the serving process; of nginx the worker's."""
        if gateway.spec["name"] == "baseload":
            return _rss_mib(gateway.pid)
        return max(_rss_mib(pid) for pid in self.harness.children(gateway.pid))

    def _drained(self, gateway: Any, before_s: float) -> float:
        """CPU of the tree until the ingest has caught up: its part of the window that came later."""
        quiet = 0
        last = self._cpu_s(gateway.pid)[1]
        while quiet < 3:
            time.sleep(0.5)
            now = self._cpu_s(gateway.pid)[1]
            quiet = quiet + 1 if now - last < 0.03 else 0
            last = now
        return last - before_s

    def run(self, name: str, phase: str) -> dict[str, float]:
        """The figures of one phase for one program."""
        h = self.harness
        spec = self.targets[name]
        chunks, interval = {"chunks": (10**7, 10), "transit": (10**7, 50), "memory": (10**7, 1000)}.get(
            phase, (100, 20)
        )
        log = os.path.join(h.CACHE, f"{name}.log")
        with ExitStack() as stack:
            stack.enter_context(h.Mock(LOAD_CORE, chunks=chunks, interval=interval, key=h.UPSTREAM_KEY))
            if phase == "tls":
                folder = Path(stack.enter_context(TemporaryDirectory()))
                spec = over_tls(spec, folder, stack.enter_context(tls_front(h, folder, LOAD_CORE)))
            gateway = stack.enter_context(h.Gateway(spec, GATEWAY_CORE, log))
            found: dict[str, float] = getattr(self, f"_{phase}")(gateway)
            return found

    def _cpu(self, gateway: Any) -> dict[str, float]:
        figures = {"idle_rss_mib": self._memory_mib(gateway)}
        r = self._load(gateway, ["--conns", 32], 2)
        _no_errors(r)
        start = self._cpu_s(gateway.pid)
        figures["us_per_request"] = 1e6 * self._own_s(gateway, r) / r["requests"]
        late_s = self._drained(gateway, start[1])
        # what the ingest still had to do after the load is charged to all requests, warm-up included
        total = r["requests"] * (self.seconds + 2) / self.seconds
        figures["us_per_request_tree"] = 1e6 * (r["tree_s"] / r["requests"] + late_s / total)
        figures["requests_per_s"] = r["rps"]
        return figures

    def _big(self, gateway: Any) -> dict[str, float]:
        r = self._load(gateway, ["--conns", 32, "--prompt-bytes", 32768], 1)
        _no_errors(r)
        return {"us_per_big_request": 1e6 * self._own_s(gateway, r) / r["requests"]}

    def _tls(self, gateway: Any) -> dict[str, float]:
        r = self._load(gateway, ["--conns", 32], 1)
        _no_errors(r)
        return {"us_per_tls_request": 1e6 * self._own_s(gateway, r) / r["requests"]}

    def _chunks(self, gateway: Any) -> dict[str, float]:
        r = self._load(gateway, ["--stream", "--conns", 200, "--ramp", 2], 4)
        _no_errors(r)
        return {
            "us_per_chunk": 1e6 * self._own_s(gateway, r) / r["chunks"],
            "chunks_per_s": r["chunks_per_s"],
        }

    def _transit(self, gateway: Any) -> dict[str, float]:
        r = self._load(gateway, ["--stream", "--conns", 100, "--ramp", 2], 4)
        _no_errors(r)
        transit = r["chunk_transit_us"]
        return {"transit_p50_us": transit["p50"], "transit_p99_us": transit["p99"]}

    def _direct(self, arguments: list[str]) -> list[str]:
        """The load generator against the upstream itself."""
        h = self.harness
        return [h.LOAD, "--port", str(h.MOCK_PORT), "--key", h.UPSTREAM_KEY, *arguments]

    def _rate(self, gateway: Any) -> dict[str, float]:
        r = self._load(gateway, ["--rate", 1000], 1)
        _no_errors(r)
        direct = json.loads(
            subprocess.run(
                self._direct(["--rate", "1000", "--warmup", "1", "--duration", str(self.seconds)]),
                capture_output=True,
                text=True,
                check=True,
                preexec_fn=self.harness.pinned(LOAD_CORE),
            ).stdout
        )["latency_us"]
        return {f"added_{q}_us": r["latency_us"][q] - direct[q] for q in ("p50", "p99")}

    def _memory(self, gateway: Any) -> dict[str, float]:
        self._load(gateway, ["--conns", 32], 1)
        time.sleep(1)
        base = self._memory_mib(gateway)
        streams = 2000
        command = [self.harness.LOAD, "--port", str(gateway.port), "--path", gateway.path, "--stream"]
        command += ["--model", gateway.model, "--key", gateway.key, "--conns", str(streams)]
        command += ["--ramp", "5", "--warmup", "7", "--duration", "5"]
        process = subprocess.Popen(
            command, preexec_fn=self.harness.pinned(LOAD_CORE), stdout=subprocess.PIPE, text=True
        )
        time.sleep(10.5)
        full = self._memory_mib(gateway)
        result = json.loads(process.communicate()[0])
        _no_errors(result)
        return {"kib_per_stream": (full - base) * 1024 / streams, "streams_seen": result["chunks_per_s"]}


def _rss_mib(pid: int) -> float:
    """Resident memory of one process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


_wrong: list[int] = []
"""Errors met in any phase: a run with errors reaches nothing."""


def _no_errors(result: dict[str, Any]) -> None:
    wrong = result["err_status"] + result["err_conn"]
    if wrong:
        _wrong.append(wrong)
        print(f"  ! {wrong} errors of {result['requests']}: {result}", file=sys.stderr)


def main() -> None:
    """Measure, in turns, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--phases", default=",".join(PHASES))
    parser.add_argument("--python", default=sys.executable, help="the interpreter the gateway runs on")
    options = parser.parse_args()
    harness = _harness()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    vars(harness).update({"NICE": -15, "SLICE_US": 1000} if os.geteuid() == 0 else {})
    harness.build()
    measure = Measure(harness, options.seconds, options.python)
    figures: dict[str, dict[str, list[float]]] = {"nginx": {}, "baseload": {}}
    for number in range(options.rounds):
        for phase in options.phases.split(","):
            for name in figures:
                for figure, value in measure.run(name, phase).items():
                    figures[name].setdefault(figure, []).append(value)
                    print(f"round {number + 1} {phase:8} {name:9} {figure:22} {value:12.1f}", flush=True)
    sys.exit(0 if _show(figures) else 1)


def _show(figures: dict[str, dict[str, list[float]]]) -> bool:
    """Print medians and ratios beside the bars; whether every bar was reached without an error."""
    print(f"\n{'':56}{'nginx':>10}{'baseload':>10}{'ratio':>7}{'bar':>9}")
    reached = True
    for figure, values in figures["baseload"].items():
        reference = figures["nginx"].get(figure, [])
        ours = statistics.median(values)
        theirs = statistics.median(reference) if reference else float("nan")
        ratios = [a / b for a, b in zip(values, reference, strict=False) if b]
        ratio = statistics.median(ratios) if ratios else float("nan")
        bar = BARS.get(figure, Bar(figure, None))
        limit = math.inf if bar.times is None else bar.times * theirs + bar.plus
        verdict = "" if bar.times is None else f"{limit:9.1f}" + ("" if ours <= limit else "  MISSED")
        reached = reached and ours <= limit
        print(f"{bar.what:56}{theirs:10.1f}{ours:10.1f}{ratio:7.2f}{verdict}")
    return reached and not _wrong


if __name__ == "__main__":
    main()
