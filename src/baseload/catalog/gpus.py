"""What GPUs hold and how fast they are: memory, memory bandwidth and dense arithmetic, from data sheets."""

from __future__ import annotations

from functools import cache

from msgspec import Struct

from baseload.catalog.tables import Overrides, Row, find, merge, parsed, shipped

TABLE = "gpus.csv"
FLOPS_COLUMNS = {
    "bf16_tflops": "bf16",
    "fp8_tflops": "fp8",
    "fp4_tflops": "fp4",
    "int8_tops": "int8",
}


class Gpu(Struct, frozen=True):
    """One GPU as its maker's data sheet describes it.

    `memory_gib` is what the driver reports where that is known (79.65 for an 80 GB H100, 44.99 for a 48 GB
    L40S with ECC), else the sheet's capacity, whose "GB" are binary.
    `flops` are dense tensor operations per second (sheets often print twice that, with sparsity) by
    precision: bf16 (fp16 is the same), fp8, fp4, int8; one that the GPU lacks or nobody states is absent.
    `link_bytes_per_s` is what a GPU sends to the others of its node, one way, by the links such nodes
    have (NVLink through a switch, Infinity Fabric, else PCIe); None where it depends on the machine.
    `linked_gpus` is how many of them such links join: 8 in a node, 72 in a rack of GB200.
    `checked` names the places that confirm each figure, and those that are from memory.
    """

    name: str
    aliases: tuple[str, ...]
    memory_gib: float
    bandwidth_bytes_per_s: float
    flops: dict[str, float]
    source: str
    as_of: str
    checked: str
    link_bytes_per_s: float | None = None
    linked_gpus: int = 8


def gpus(overrides: Overrides | None = None) -> tuple[Gpu, ...]:
    """Every GPU held, a user's figures on top of the shipped ones. Raises DataError for a bad override."""
    return _shipped() if overrides is None else _load(overrides)


def gpu(name: str, overrides: Overrides | None = None) -> Gpu:
    """The GPU of this name or alias in any spelling (`h100`, `H100-80GB`, `h100_sxm`).

    Raises UnknownName with the nearest name otherwise.
    """
    return find("GPU", name, gpus(overrides))


@cache
def _shipped() -> tuple[Gpu, ...]:
    return _load(None)


def _load(overrides: Overrides | None) -> tuple[Gpu, ...]:
    return tuple(parsed(_gpu, row, TABLE, "name") for row in merge(shipped(TABLE), overrides, "name"))


def _gpu(row: Row) -> Gpu:
    return Gpu(
        name=row["name"],
        aliases=tuple(filter(None, row["aliases"].split("|"))),
        memory_gib=float(row["memory_gib"]),
        bandwidth_bytes_per_s=float(row["bandwidth_gb_per_s"]) * 1e9,
        flops={
            precision: float(row[column]) * 1e12 for column, precision in FLOPS_COLUMNS.items() if row[column]
        },
        source=row["source"],
        as_of=row["as_of"],
        checked=row["checked"],
        link_bytes_per_s=float(row["link_gb_per_s"]) * 1e9 if row["link_gb_per_s"] else None,
        linked_gpus=int(row["linked_gpus"] or 8),
    )
