"""What the names in a model's fallback lists mean, and what makes a list wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from baseload.config.document import Document, PathIn
from baseload.errors import ConfigError, nearest

CAUSES = ("context_length", "content_policy", "error")


def is_model(name: str, own: str, models: Collection[str]) -> bool:
    """Whether a name in a list of model `own` means a model; else it means a target.

    A name that is both means the model, but the model's own name means its target.
    """
    return name in models and name != own


def reached(name: str, own: str, models: dict[str, Any]) -> list[str]:
    """The targets that a name in a list of model `own` leads to."""
    return served_by(models[name]) if is_model(name, own, models) else [name]


def served_by(model: Any) -> list[str]:
    """The targets that a model lists, as far as it is written well."""
    lists = [model.get(side) for side in ("owned", "metered")] if isinstance(model, dict) else []
    return [name for names in lists if isinstance(names, list) for name in names if isinstance(name, str)]


def check_fallbacks(
    document: Document, own: str, models: dict[str, Any], targets: dict[str, Any]
) -> Iterator[ConfigError]:
    """Everything that is wrong with the lists of model `own`."""
    model = models[own]
    lists = model.get("fallback") if isinstance(model, dict) else None
    for cause in CAUSES:
        names = lists.get(cause) if isinstance(lists, dict) else None
        seen: set[str] = set()
        for index, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str):
                path = ("models", own, "fallback", cause, index)
                yield from _entry(document, path, name, models, targets)
                if name in seen:
                    yield document.problem(path, f"{name!r} is listed twice", "keep one of them")
                seen.add(name)


def _entry(
    document: Document, path: PathIn, name: str, models: dict[str, Any], targets: dict[str, Any]
) -> Iterator[ConfigError]:
    own, cause = str(path[1]), str(path[3])
    if name == own and name not in targets:
        yield document.problem(
            path, "is this model itself: its targets are tried already", "name another model, or a target"
        )
    elif name not in targets and name not in models:
        near = nearest(name, [*targets, *models])
        known = ", ".join(sorted({*targets, *models})[:8]) or "none"
        hint = f"did you mean {near!r}?" if near else f"known are {known}"
        yield document.problem(path, f"unknown target or model {name!r}", hint)
    elif is_model(name, own, models) and name in targets and name not in served_by(models[name]):
        yield document.problem(
            path, f"{name!r} is a model, and a target that does not serve it", "rename one of the two"
        )
    elif not is_model(name, own, models) and cause == "error" and name in served_by(models[own]):
        yield document.problem(
            path, f"{name!r} serves this model already", "list targets of other models, or other models"
        )
    else:
        yield from _named(document, path, name, models, targets)


def _named(
    document: Document, path: PathIn, name: str, models: dict[str, Any], targets: dict[str, Any]
) -> Iterator[ConfigError]:
    """Targets without a `model` are sent the name the client asked for, which another model's do not know."""
    own = str(path[1])
    for target in reached(name, own, models):
        section = targets.get(target)
        if isinstance(section, dict) and "model" not in section and target not in served_by(models[own]):
            yield document.problem(
                ("targets", target, "model"),
                f"is required: model {own} falls back to this target",
                "write the name that this target knows",
            )
