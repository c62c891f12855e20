"""GPUs: found under any of their names, in the units their docstring promises, each with its source."""

from __future__ import annotations

import pytest

from baseload.catalog.gpus import gpu, gpus
from baseload.catalog.tables import normal
from baseload.errors import DataError, UnknownName

NEEDED = (
    "A100-SXM-40GB A100-PCIe-40GB A100-SXM-80GB A100-PCIe-80GB A10G L4 L40S H100-SXM H100-PCIe H100-NVL H200 "
    "B200 B300 GB200 GB300 MI300X MI325X MI355X RTX-PRO-6000"
)


@pytest.mark.parametrize("name", ["h100", "H100", "H100-80GB", "h100_sxm", "H100 SXM5", "h100-sxm"])
def test_a_gpu_answers_to_its_spellings(name: str) -> None:
    """Case, dashes, underscores and blanks do not matter."""
    assert gpu(name).name == "H100-SXM"


def test_the_gpus_people_rent_are_held() -> None:
    """Every GPU the planner is asked about has a row."""
    assert set(NEEDED.split()) - {each.name for each in gpus()} == set()


def test_an_unknown_gpu_names_the_nearest() -> None:
    """A slip of the hand is answered with what was probably meant."""
    with pytest.raises(UnknownName, match="h1000") as caught:
        gpu("h1000")
    assert "h100" in caught.value.hint


def test_figures_are_dense_and_in_si_units() -> None:
    """An H100 SXM: 3.35 TB/s, 989.5 TFLOPS in bf16 and twice that in fp8; not the sheet's sparse figures."""
    h100 = gpu("h100")
    assert h100.bandwidth_bytes_per_s == 3.35e12
    assert h100.flops == {"bf16": 989.5e12, "fp8": 1979e12, "int8": 1979e12}
    assert h100.memory_gib == 79.65


def test_links_are_one_way_and_unknown_stays_unknown() -> None:
    """Half of what sheets print; what depends on the machine is None, not a guess."""
    assert gpu("h100").link_bytes_per_s == 450e9
    assert gpu("a100").link_bytes_per_s == 300e9
    assert gpu("mi355x").link_bytes_per_s == 537.5e9
    assert gpu("rtx-pro-6000").link_bytes_per_s == 64e9
    assert gpu("gh200").link_bytes_per_s is None


def test_every_gpu_says_where_its_figures_are_from() -> None:
    """Source, date and what was checked where are never empty; figures are positive."""
    for each in gpus():
        assert all((each.source, each.as_of, each.checked)), each.name
        assert min(each.memory_gib, each.bandwidth_bytes_per_s, *each.flops.values()) > 0
        assert "bf16" in each.flops


def test_no_two_gpus_share_a_name() -> None:
    """A name that two rows answer to would pick one at random."""
    names = [name for each in gpus() for name in {normal(name) for name in (each.name, *each.aliases)}]
    assert len(names) == len(set(names))


def test_a_users_figure_replaces_one_cell() -> None:
    """The rest of the row stays, and the source says what is the user's."""
    ours, shipped = gpu("h100", {"h100": {"bandwidth_gb_per_s": 3000}}), gpu("h100")
    assert ours.bandwidth_bytes_per_s == 3e12
    assert (ours.flops, ours.memory_gib) == (shipped.flops, shipped.memory_gib)
    assert ours.source == f"user override (bandwidth_gb_per_s); {shipped.source}"


def test_a_user_can_add_a_gpu() -> None:
    """A GPU nobody ships figures for, with the user's own source."""
    figures = {
        "memory_gib": 128,
        "bandwidth_gb_per_s": 3700,
        "bf16_tflops": 1835,
        "source": "Intel, measured",
    }
    gaudi = gpu("gaudi-3", {"Gaudi 3": figures})
    assert (gaudi.memory_gib, gaudi.flops, gaudi.source) == (128, {"bf16": 1.835e15}, "Intel, measured")


def test_an_override_without_a_needed_figure_is_refused() -> None:
    """A new GPU needs its memory; the error names the row."""
    with pytest.raises(DataError, match="Gaudi 3"):
        gpus({"Gaudi 3": {"bf16_tflops": 1835}})
