"""The demo's baseload.yaml is one the gateway takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from baseload import config
from baseload.core import StepTime
from baseload.demo.configuration import MODEL, OWNED_TARGET, TENANT, MeteredTarget, write_configuration
from baseload.demo.spending import real_target

STEP = StepTime(0.0161234, 0.0004, 2.2e-8, 0.0015, 4096, 4, 0.25)
TWIN = MeteredTarget("simulated-gpt-4o", "openai", "gpt-4o", "none", "SIMULATED", "http://127.0.0.1:2/v1")


@pytest.mark.parametrize(
    ("metered", "environment"),
    [(TWIN, {}), (real_target("openai", {"OPENAI_API_KEY": "k"}), {"OPENAI_API_KEY": "k"})],
)
def test_the_file_is_valid_and_says_what_was_measured(
    tmp_path: Path, metered: MeteredTarget, environment: dict[str, str]
) -> None:
    """One owned target with the measured step time, one metered one, one model over both, one tenant."""
    path = tmp_path / "baseload.yaml"
    path.write_text(write_configuration("http://127.0.0.1:1/v1", "smollm2", 1024, STEP, metered))
    read = config.load(path, environment)
    assert set(read.targets) == {OWNED_TARGET, metered.name}
    assert (read.models[MODEL].owned, read.models[MODEL].metered) == ((OWNED_TARGET,), (metered.name,))
    assert TENANT in read.tenants
    owned = read.targets[OWNED_TARGET].owned
    assert owned is not None
    assert owned.capacity is not None
    assert owned.capacity.base == pytest.approx(STEP.base_s, abs=1e-6)
    assert owned.capacity.per_kv_token == pytest.approx(STEP.per_kv_token_s, abs=1e-9)
    assert "k" not in [line.strip() for line in path.read_text().splitlines()]
