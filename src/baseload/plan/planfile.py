"""The plan file: what a person answered and stated, kept beside the traffic so that a plan can be repeated.

answers:                      # of `baseload plan --interview`
  sensitive_data: true
assumptions:                  # figures in place of the shipped table's
  traffic.growth_per_year: {value: 0.4, low: 0.1, high: 0.9, source: sales forecast, as_of: 2026-11-01}
portfolio: {…}                # several classes and models: see `baseload.plan.portfolio`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from baseload.errors import DataError, EnvironmentProblem, nearest

SECTIONS = ("answers", "assumptions", "portfolio")


@dataclass(frozen=True, slots=True)
class PlanFile:
    """The sections of a plan file; one that is not written is empty."""

    answers: Mapping[str, Any] = field(default_factory=dict)
    assumptions: Mapping[str, Any] = field(default_factory=dict)
    portfolio: Mapping[str, Any] = field(default_factory=dict)


def read_plan_file(path: Path) -> PlanFile:
    """What this YAML or JSON file says.

    Raises EnvironmentProblem where it cannot be read and DataError where it is no plan file.
    """
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "baseload plan --interview writes one"
        raise EnvironmentProblem(f"cannot read {path}: {error.strerror}", hint=hint) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is neither YAML nor JSON: {error}") from None
    if said is None:
        return PlanFile()
    if not isinstance(said, Mapping):
        raise DataError(f"{path}: a plan file is a mapping", hint=f"its sections are {', '.join(SECTIONS)}")
    for name, section in said.items():
        if name not in SECTIONS:
            near = nearest(str(name), SECTIONS)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(SECTIONS)}"
            raise DataError(f"{path}: unknown section {name!r}", hint=hint)
        if section is not None and not isinstance(section, Mapping):
            raise DataError(f"{path}: {name} is not a mapping of names to values")
    return PlanFile(**{str(name): _plain(section or {}) for name, section in said.items()})


def write_answers(path: Path, answers: Mapping[str, Any]) -> None:
    """Replace the file's answers and keep its other sections. Raises EnvironmentProblem where that fails."""
    kept = read_plan_file(path) if path.exists() else PlanFile()
    sections = {
        "answers": dict(answers),
        "assumptions": dict(kept.assumptions),
        "portfolio": dict(kept.portfolio),
    }
    text = yaml.safe_dump(
        {name: section for name, section in sections.items() if section}, sort_keys=False, allow_unicode=True
    )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        hint = "name a file in a folder that can be written"
        raise EnvironmentProblem(f"cannot write {path}: {error.strerror}", hint=hint) from None


def _plain(value: Any) -> Any:
    """Mappings and lists with text keys, dates as ISO text: what YAML reads as a date was meant as one."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
