"""A made file is read as the gateway would read it, before anyone else does."""

from __future__ import annotations

from pathlib import Path

from baseload.config.importing.nouns import Imported
from baseload.config.importing.writing import written
from baseload.config.load import InvalidConfig, parse


def misfits(imported: Imported) -> dict[str, str]:
    """The targets of a made file that baseload.yaml does not take, each with what is wrong with it.

    Every variable stands for its sample. What only the other gateway takes (a name with spaces) is found so.
    """
    env = {variable.name: variable.sample for variable in imported.variables}
    try:
        parse(written(imported), "baseload.yaml", Path(), env)
    except InvalidConfig as error:
        found: dict[str, str] = {}
        for problem in error.problems:
            names = [name for name in imported.config["targets"] if problem.key.startswith(f"targets.{name}")]
            if names:
                reason = problem.reason.partition(" (got ")[0]
                found.setdefault(max(names, key=len), f"{problem.key.rpartition('.')[2]}: {reason}")
        return found
    return {}
