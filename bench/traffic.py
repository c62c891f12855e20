"""Reading traffic: rows/s and memory for a large CSV in Azure's format, beside plain readings of the file.

    python bench/traffic.py [--rows 10000000] [--packed]

Each reading runs in a fresh process, three times, and the middle one counts. The bar is 10 million rows in
10 s and 1 GB of peak memory; what travels between machines are the ratios to the plain readings of the run.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zstandard

ROWS_PER_BLOCK = 200_000
START_S = 1_715_299_200  # 2024-05-10 00:00:00 UTC
GB = 1e9

READERS = {
    "raw bytes": """
with open(path, 'rb', buffering=0) as file:
    while file.read(1 << 20): pass
""",
    "wc -l": """
import subprocess
subprocess.run(['wc', '-l', path], check=True, stdout=subprocess.DEVNULL)
""",
    "pyarrow.csv": """
import pyarrow.csv
rows = pyarrow.csv.read_csv(path).num_rows
""",
    "baseload": """
from baseload.traffic.read import read_traffic
rows = len(read_traffic(path))
""",
}
"""What each process runs; only `baseload` sorts, checks and counts from the first arrival."""

FRAME = """
import json, os, sys, time
path = sys.argv[1]
begun, rows = time.perf_counter(), None
{body}
seconds = time.perf_counter() - begun
cpu_s = sum(os.times()[:4])
peak = next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM'))
print(json.dumps([seconds, cpu_s, peak * 1024, rows]))
"""
# VmHWM and not ru_maxrss: the latter begins with the memory of the process that started this one.

RUNS = 3


class Reading(NamedTuple):
    """What one process reported; CPU includes its start; `rows` is None for readings that do not count."""

    seconds: float
    cpu_s: float
    peak_bytes: int
    rows: int | None


def write_trace(path: Path, rows: int, seed: int = 1) -> None:
    """An Azure-format CSV: ten arrivals a second, fractions of 100 ns, log-normal lengths."""
    random = np.random.default_rng(seed)
    at_100ns = START_S * 10**7
    with path.open("w", encoding="ascii") as file:
        file.write("TIMESTAMP,ContextTokens,GeneratedTokens\n")
        for first in range(0, rows, ROWS_PER_BLOCK):
            count = min(ROWS_PER_BLOCK, rows - first)
            times = at_100ns + np.cumsum(random.exponential(1e6, count).astype(np.int64))
            at_100ns = int(times[-1])
            dates = (times // 10**7).astype("datetime64[s]").astype(str)
            fractions = times % 10**7
            inputs = random.lognormal(6.5, 1.0, count).astype(np.int64) + 1
            outputs = random.lognormal(5.0, 0.8, count).astype(np.int64) + 1
            file.writelines(
                f"{date[:10]} {date[11:]}.{fraction:07d},{tokens_in},{tokens_out}\n"
                for date, fraction, tokens_in, tokens_out in zip(
                    dates.tolist(), fractions.tolist(), inputs.tolist(), outputs.tolist(), strict=True
                )
            )


def pack(path: Path) -> list[Path]:
    """The same file packed with gzip and with zstd, at their fast levels."""
    gz, zst = path.with_suffix(".csv.gz"), path.with_suffix(".csv.zst")
    with path.open("rb") as source, gzip.open(gz, "wb", compresslevel=1) as target:
        while piece := source.read(1 << 20):
            target.write(piece)
    with path.open("rb") as source, zst.open("wb") as target:
        zstandard.ZstdCompressor(level=1).copy_stream(source, target)
    return [gz, zst]


def measure(reader: str, path: Path) -> Reading | None:
    """The middle one of three readings, each in a fresh process; None where its library is not installed."""
    code = FRAME.format(body=READERS[reader].strip())
    readings = []
    for _ in range(RUNS):
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], check=False, capture_output=True, text=True
        )
        if done.returncode and "ModuleNotFoundError" in done.stderr:
            return None
        if done.returncode:
            raise SystemExit(f"{reader} failed:\n{done.stderr}")
        readings.append(Reading(*json.loads(done.stdout)))
    return sorted(readings)[RUNS // 2]


def report(name: str, reading: Reading | None, plain: Reading, rows: int) -> None:
    """One line of the table; `times` is relative to reading the raw bytes in the same run."""
    if reading is None:
        print(f"{name:16} not installed")
        return
    print(
        f"{name:16} {reading.seconds:8.2f} s {rows / reading.seconds / 1e6:9.2f} M rows/s "
        f"{reading.cpu_s:8.2f} s CPU {reading.peak_bytes / GB:8.2f} GB peak "
        f"{reading.seconds / plain.seconds:8.1f} x raw"
    )


def main() -> None:
    """Write the file, read it every way, print the table and whether the bar is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--packed", action="store_true", help="read it packed with gzip and zstd too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.csv"
        write_trace(path, options.rows)
        print(f"{options.rows:,} rows, {path.stat().st_size / GB:.2f} GB, Azure format\n")
        os.sync()  # or the first readings would compete with the writing
        readings = {reader: measure(reader, path) for reader in READERS}
        plain, own = readings["raw bytes"], readings["baseload"]
        assert plain is not None
        assert own is not None
        for reader, reading in readings.items():
            report(reader, reading, plain, options.rows)
        for packed in pack(path) if options.packed else []:
            report(f"baseload, {packed.suffix[1:]}", measure("baseload", packed), plain, options.rows)
        arrow = readings["pyarrow.csv"]
        if arrow is not None:
            print(
                f"\nbaseload / pyarrow.csv: {own.seconds / arrow.seconds:.2f} of the time, "
                f"{own.peak_bytes / arrow.peak_bytes:.2f} of the memory (pyarrow neither sorts nor checks)"
            )
        assert own.rows == options.rows
        scale = options.rows / 10e6
        met = own.seconds <= 10 * scale and own.peak_bytes <= max(scale, 0.2) * GB
        print(f"bar (10M rows in 10 s and 1 GB): {'met' if met else 'missed'}")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
