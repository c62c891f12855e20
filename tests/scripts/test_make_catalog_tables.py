"""The script that makes the catalog's tables: what is shipped is what it makes, and it refuses to guess."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from baseload.catalog.tables import read_table

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "make_catalog_tables.py"
SHIPPED = ROOT / "src" / "baseload" / "catalog" / "data"

FIGURES = (
    "memory_gb memory_mib bandwidth_gb_per_s link_gb_per_s linked_gpus "
    "bf16_tflops fp8_tflops fp4_tflops int8_tops aliases"
)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("make_catalog_tables", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reading(order: str, **cells: Any) -> dict[str, str]:
    """One place's reading of a GPU; the first is dense unless it says otherwise."""
    blank = dict.fromkeys(FIGURES.split(), "")
    return blank | {"gpu": "X1", "reading": order, "basis": "dense", "source": order} | cells


def test_the_shipped_tables_are_what_it_makes(shared: Path, tmp_path: Path) -> None:
    """Byte for byte, run as a user would: nobody edited a shipped table by hand."""
    arguments = ["--data", str(shared / "data"), "--out", str(tmp_path)]
    subprocess.run([sys.executable, str(SCRIPT), *arguments], check=True, capture_output=True)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {path.name: path.read_bytes() for path in SHIPPED.glob("*.csv")} == made
    assert set(made) == {"gpus.csv", "models.csv", "gpu_offers.csv", "token_prices.csv"}


def test_check_tells_a_table_that_differs(shared: Path, script: ModuleType, tmp_path: Path) -> None:
    """Exit code 1 and nothing written."""
    arguments = ["--data", str(shared / "data"), "--out", str(tmp_path)]
    assert script.main(arguments) == 0
    assert script.main([*arguments, "--check"]) == 0
    edited = tmp_path / "gpus.csv"
    edited.write_text(edited.read_text().replace("3350", "3351"))
    assert script.main([*arguments, "--check"]) == 1
    assert "3351" in edited.read_text()


def test_every_table_says_whose_and_when() -> None:
    """Source, licence and date stand at the top of each shipped table."""
    for path in SHIPPED.glob("*.csv"):
        head = "".join(line for line in path.read_text().splitlines() if line.startswith("#"))
        assert all(word in head for word in ("Source:", "licence:", "Date: 20")), path.name


def test_sparse_figures_are_halved(script: ModuleType) -> None:
    """A sheet's 1,979 TFLOPS with sparsity is 989.5 dense."""
    first = reading("first", basis="sparse", memory_gb="80", bandwidth_gb_per_s="3350", bf16_tflops="1979")
    (row,) = script.gpu_rows([first])
    assert (row["bf16_tflops"], row["bandwidth_gb_per_s"]) == ("989.5", "3350")
    assert row["checked"] == "from memory: memory, bandwidth, bf16"


def test_a_driver_knows_better_what_memory_is_there(script: ModuleType) -> None:
    """48 GB with ECC on are 44.99 GiB to a program: that is shipped."""
    first = reading("first", memory_gb="48", bandwidth_gb_per_s="864", bf16_tflops="362")
    (row,) = script.gpu_rows([first, reading("second", memory_mib="46068")])
    assert row["memory_gib"] == "44.99"
    assert row["checked"] == "second: memory; from memory: bandwidth, bf16"


def test_places_that_disagree_stop_it(script: ModuleType) -> None:
    """A second place that states the sparse figure as dense is no confirmation."""
    first = reading("first", memory_gb="24", bandwidth_gb_per_s="300", bf16_tflops="121")
    with pytest.raises(script.Disagreement, match="X1: bf16_tflops 121, but 242"):
        script.gpu_rows([first, reading("second", bf16_tflops="242")])


def test_a_configuration_copied_wrongly_stops_it(script: ModuleType) -> None:
    """One layer too few, and the counted weights miss the card."""
    rows = read_table((ROOT / "scripts/catalog_facts/models.csv").read_text(), "models.csv")
    wrong = [dict(row) for row in rows if row["model"] == "llama-3.1-8b" and row["reading"] == "first"]
    wrong[0]["layers"] = "30"
    with pytest.raises(script.Disagreement, match=r"llama-3\.1-8b: counted 7\.59B, its card says 8\.03B"):
        script.model_rows(wrong)


def test_a_configuration_stated_otherwise_elsewhere_stops_it(script: ModuleType) -> None:
    """Two places, two numbers of key-value heads: a person must look."""
    rows = read_table((ROOT / "scripts/catalog_facts/models.csv").read_text(), "models.csv")
    wrong = [dict(row) for row in rows if row["model"] == "qwen3-32b"]
    wrong[1]["kv_heads"] = "64"
    with pytest.raises(script.Disagreement, match="qwen3-32b: kv_heads 8, but 64"):
        script.model_rows(wrong)


OFFER = {
    "provider": "aws", "region": "us-east-1", "instance": "p5.48xlarge", "gpus": "8", "usd_per_hour": "55.04",
    "spot_usd_per_hour": "", "source": "karpenter-aws", "as_of": "2026-07-20",
}  # fmt: skip
FACT = {"provider": "aws", "instance": "p5.48xlarge", "gpu": "H100-SXM", "gpus": "8", "checked": "docs"}


def test_an_unchecked_instance_is_not_shipped(script: ModuleType) -> None:
    """Only instances whose GPUs someone confirmed, and without the host's vCPUs and memory."""
    (row,) = script.offer_rows([OFFER, OFFER | {"instance": "p9.metal"}], [FACT])
    assert row["offer"] == "aws/us-east-1/p5.48xlarge"
    assert "vcpu" not in row


def test_a_gpu_count_that_differs_stops_it(script: ModuleType) -> None:
    """A price list with another count than the check found would put the GPU-hour off by as much."""
    with pytest.raises(script.Disagreement, match=r"p5\.48xlarge: 8 GPUs, but 4"):
        script.offer_rows([OFFER], [FACT | {"gpus": "4"}])
