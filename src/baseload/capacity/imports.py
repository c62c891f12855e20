"""Benchmark files of others as points of our own metrics: vLLM, GuideLLM, inference-perf, InferenceX, CSV.

Ours: TTFT from sending to the first token; TPOT = (last token − first token) / (output tokens − 1), a mean
over requests; concurrency is how many requests run at once on average. What each file calls so:

| file | TTFT | TPOT | concurrency |
|---|---|---|---|
| vLLM `bench serve` | `mean_ttft_ms` | `mean_tpot_ms` | `max_concurrency`, else Little's law |
| GuideLLM | `time_to_first_token_ms` | `inter_token_latency_ms` | measured |
| inference-perf | `time_to_first_token` | `time_per_output_token` | Little's law |
| InferenceX | `mean_ttft` (s) | `mean_tpot` (s) | `conc` |
| CSV of `baseload bench` | `ttft_ms` | `tpot_ms` | `concurrency` |

GuideLLM's own `time_per_output_token_ms` has the first token in it, inference-perf's `normalized_…` all
of TTFT: neither is TPOT.

Little's law: requests at once = finished requests / duration · mean end-to-end latency.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from baseload.capacity.terms import Load
from baseload.errors import DataError, EnvironmentProblem

CSV_COLUMNS = ("concurrency", "input_tokens", "output_tokens", "ttft_ms", "tpot_ms")
"""Columns of our own file that calibration reads; `baseload bench` writes more."""


class Point(NamedTuple):
    """One measured point; `ttft_s` is None where the file has none."""

    load: Load
    ttft_s: float | None
    tpot_s: float


Json = Mapping[str, Any]


def read_points(file: Path) -> tuple[str, list[Point]]:
    """What a benchmark file measured, and which format it is in.

    Raises EnvironmentProblem where there is no file, DataError where it is none of the formats or a figure is
    missing.
    """
    if not file.is_file():
        raise EnvironmentProblem(f"no such file: {file}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text (byte {error.start})", hint="save it as UTF-8") from None
    if text.lstrip()[:1] not in ("{", "["):
        return "csv", _points_of_csv(text, str(file))
    documents = list(_documents(text, str(file)))
    for name, (is_it, read) in FORMATS.items():
        if documents and all(is_it(document) for document in documents):
            points = []
            for number, document in enumerate(documents, 1):
                try:
                    points += read(document)
                except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
                    where = f"{file}: {name} result {number}"
                    said = str(error) if isinstance(error, ValueError) else repr(error)
                    raise DataError(
                        f"{where}: {said}", hint="is it a finished, streamed, plain run?"
                    ) from None
            return name, [_checked(point, str(file)) for point in points]
    known = ", ".join(FORMATS)
    raise DataError(
        f"{file}: not a benchmark file", hint=f"{known}, or CSV with the columns {', '.join(CSV_COLUMNS)}"
    )


def _documents(text: str, origin: str) -> Iterator[Json]:
    """The JSON objects of a file: one, a list, or one a line."""
    try:
        whole = json.loads(text)
    except ValueError:
        try:
            whole = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise DataError(f"{origin}: broken JSON: {error}", hint="is the file complete?") from None
    for document in whole if isinstance(whole, list) else [whole]:
        if not isinstance(document, dict):
            raise DataError(f"{origin}: a result is no JSON object")
        yield document


def _points_of_csv(text: str, origin: str) -> list[Point]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    reader = csv.DictReader(io.StringIO("\n".join(lines)))
    if missing := [name for name in CSV_COLUMNS if name not in (reader.fieldnames or ())]:
        raise DataError(f"{origin}: no column {missing[0]!r}", hint=f"columns: {', '.join(CSV_COLUMNS)}")
    points = []
    for number, row in enumerate(reader, 2):
        try:
            load = Load(*(float(row[name]) for name in CSV_COLUMNS[:3]))
            ttft_s = float(row["ttft_ms"]) / 1e3 if row["ttft_ms"] else None
            points.append(_checked(Point(load, ttft_s, float(row["tpot_ms"]) / 1e3), origin))
        except (TypeError, ValueError):
            raise DataError(
                f"{origin}: row {number}: not all of {', '.join(CSV_COLUMNS)} are numbers"
            ) from None
    return points


def _checked(point: Point, origin: str) -> Point:
    figures = [*point.load, point.tpot_s]
    if point.ttft_s is not None:
        figures.append(point.ttft_s)
    if not all(isinstance(value, int | float) and 0 < value < math.inf for value in figures):
        raise DataError(
            f"{origin}: a figure that is no positive number: {point}", hint="is it a finished, streamed run?"
        )
    if point.load.output_tokens < 2:
        raise DataError(
            f"{origin}: a point without a TPOT: {point}",
            hint="TPOT needs streamed answers of at least two tokens, and requests that finished",
        )
    return point


def _vllm(found: Json) -> list[Point]:
    finished = found["completed"]
    read, made = found["total_input_tokens"] / finished, found["total_output_tokens"] / finished
    ttft_s, tpot_s = found["mean_ttft_ms"] / 1e3, found["mean_tpot_ms"] / 1e3
    concurrency = found.get("max_concurrency")
    paced = str(found.get("request_rate", "inf")).lower() not in ("inf", "infinity", "none")
    if not concurrency or paced:  # Little's law: a bound that the rate never met says nothing of what ran
        running = finished / found["duration"] * (ttft_s + tpot_s * (made - 1))
        concurrency = min(running, concurrency) if concurrency else running
    return [Point(Load(concurrency, read, made), ttft_s, tpot_s)]


def _guidellm(found: Json) -> list[Point]:
    points = []
    for run in found["benchmarks"]:
        metrics = run["metrics"]

        def mean(name: str, metrics: Json = metrics) -> float:
            return float(metrics[name]["successful"]["mean"])

        load = Load(mean("request_concurrency"), mean("prompt_token_count"), mean("output_token_count"))
        ttft_s = mean("time_to_first_token_ms") / 1e3
        points.append(Point(load, ttft_s, mean("inter_token_latency_ms") / 1e3))
    return points


def _inference_perf(found: Json) -> list[Point]:
    done = found["successes"]
    latency = done["latency"]
    read, made = done["prompt_len"]["mean"], done["output_len"]["mean"]
    concurrency = done["throughput"]["requests_per_sec"] * latency["request_latency"]["mean"]
    ttft_s = latency["time_to_first_token"]["mean"]
    return [Point(Load(concurrency, read, made), ttft_s, latency["time_per_output_token"]["mean"])]


def _inferencex(found: Json) -> list[Point]:
    if str(found.get("disagg") or "false").lower() != "false":
        raise ValueError(
            "a disaggregated run: its prompts and answers ran on different GPUs, no step has both"
        )
    mtp = str(found.get("spec_decoding", "none") or "none").lower()
    if mtp not in ("none", "false", "0"):
        raise ValueError(
            f"a run with {mtp}: a step yields several tokens; fit a plain run, then --accepted-tokens"
        )
    ratio = float(found.get("random_range_ratio") or 1)
    if ratio != 1 and not found.get("mean_input_tokens"):
        raise ValueError(f"lengths drawn from {ratio:g} of isl and osl on, and the file has not their means")
    read = found.get("mean_input_tokens") or found["isl"]
    made = found.get("mean_output_tokens_actual") or found["osl"]
    return [Point(Load(found["conc"], read, made), found["mean_ttft"], found["mean_tpot"])]


FORMATS: dict[str, tuple[Callable[[Json], bool], Callable[[Json], list[Point]]]] = {
    "vllm": (lambda found: "mean_tpot_ms" in found and "completed" in found, _vllm),
    "guidellm": (lambda found: "benchmarks" in found, _guidellm),
    "inference-perf": (lambda found: "successes" in found, _inference_perf),
    "inferencex": (lambda found: "mean_tpot" in found and "conc" in found, _inferencex),
}
"""How each format is known, and how it is read."""
