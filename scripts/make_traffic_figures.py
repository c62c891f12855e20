"""Make the traffic figures that ship with the package from the raw traces beside the repository.

    python scripts/make_traffic_figures.py [--traces FOLDER] [--out FOLDER]

Two files: Azure's conversation hour of 2023 as counts per second and a joint length histogram, and ServeGen's
m-large curve as published. A test compares the shipped files with what this makes, byte for byte.
"""

from __future__ import annotations

import argparse
import csv
import json
import textwrap
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from baseload.traffic.read import read_traffic
from baseload.traffic.shapes import AZURE_FILE, SERVEGEN_FILE, CountFigures, CurveFigures, Provenance

ROOT = Path(__file__).resolve().parent.parent
TRACES = ROOT.parent / "shared" / "data" / "traces"
OUT = ROOT / "src" / "baseload" / "traffic" / "data"

AZURE = Provenance(
    title="Azure LLM inference trace 2023, conversation",
    url="https://github.com/Azure/AzurePublicDataset data/AzureLLMInferenceTrace_conv.csv @ b469a113",
    licence="CC-BY-4.0",
    cite="Patel et al., Splitwise: Efficient generative LLM inference using phase splitting, ISCA 2024",
    as_of="2023-11-16",
    change="requests counted per second; lengths as a joint histogram in logarithmic bins",
)
SERVEGEN = Provenance(
    title="ServeGen m-large, load per ten minutes",
    url="https://github.com/alibaba/ServeGen data/language/m-large @ f891d118",
    licence="Apache-2.0",
    cite="Xiang et al., ServeGen, arXiv 2505.09999",
    as_of="2025-06-09",
    change="request rates of all clients summed per window; lengths averaged over the clients that have any",
)


def azure_figures(trace: Path) -> CountFigures:
    """Counts per second and the joint length histogram of an Azure trace."""
    traffic = read_traffic(trace, "azure")
    shape = traffic.shape(1.0)
    cells = np.argwhere(shape.lengths.weights > 0)
    assert traffic.start_ns is not None
    return CountFigures(
        provenance=AZURE,
        start_ns=traffic.start_ns,
        duration_s=traffic.duration_s,
        requests=[round(count) for count in (shape.load.requests_per_s * shape.window_s).tolist()],
        mean_input_tokens=float(traffic.input_tokens.mean()),
        mean_output_tokens=float(traffic.output_tokens.mean()),
        input_edges=shape.lengths.input_edges.tolist(),
        output_edges=shape.lengths.output_edges.tolist(),
        cells=[(int(i), int(j), int(shape.lengths.weights[i, j])) for i, j in cells],
    )


def servegen_figures(curve: Path, histogram: Path, workload: str) -> CurveFigures:
    """One workload's curve and histogram, numbers as they are written."""
    windows = _rows(curve, workload)
    bins = _rows(histogram, workload)
    return CurveFigures(
        provenance=SERVEGEN,
        window_s=float(windows[1]["t_s"]) - float(windows[0]["t_s"]),
        requests_per_s=[float(row["rps"]) for row in windows],
        length_coverage=[float(row["length_coverage"]) for row in windows],
        mean_input_tokens=[float(row["mean_input_tokens"]) for row in windows],
        mean_output_tokens=[float(row["mean_output_tokens"]) for row in windows],
        bin_lower_tokens=[float(row["bin_lower_tokens"]) for row in bins],
        input_share=[float(row["p_input"]) for row in bins],
        output_share=[float(row["p_output"]) for row in bins],
    )


def _rows(path: Path, workload: str) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["workload"] == workload]


def as_text(figures: CountFigures | CurveFigures) -> str:
    """JSON with one key a line and long lists wrapped, so that a change shows as a small difference."""
    fields: dict[str, Any] = msgspec.to_builtins(figures)
    entries = []
    for name, value in fields.items():
        text = json.dumps(value, ensure_ascii=False, indent=2 if isinstance(value, dict) else None)
        if isinstance(value, list):
            text = "\n".join(textwrap.wrap(text, 110))
        entries.append(f"{json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(entries) + "\n}\n"


def make(traces: Path) -> dict[str, str]:
    """Name and text of every file."""
    servegen = traces / "servegen"
    azure = azure_figures(traces / "azure2023" / "AzureLLMInferenceTrace_conv.csv")
    curve = servegen_figures(
        servegen / "servegen_load_10min.csv", servegen / "servegen_length_hist.csv", "m-large"
    )
    return {AZURE_FILE: as_text(azure), SERVEGEN_FILE: as_text(curve)}


def main() -> None:
    """Write the files and say how large they are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--traces", type=Path, default=TRACES, help="folder with azure2023/ and servegen/")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    options = parser.parse_args()
    for name, text in make(options.traces).items():
        (options.out / name).write_text(text, encoding="utf-8")
        print(f"{options.out / name}: {len(text.encode()):,} bytes")


if __name__ == "__main__":
    main()
