"""LiteLLM's fallback lists: from group to groups, by cause, and the default for groups without one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from baseload.config.importing.draft import Draft, clean, is_name
from baseload.config.importing.source import Node

_SECTIONS = ("router_settings", "litellm_settings")
_CAUSES = {
    "context_window_fallbacks": ("context_length",),
    "content_policy_fallbacks": ("content_policy",),
}
ANY = "*"
"""The group that stands for all without a list of their own."""


class _List(NamedTuple):
    group: str
    names: list[str]
    node: Node


def fallbacks(draft: Draft, root: Node) -> None:
    """Carry every list. A key of `router_settings` holds before the same one of `litellm_settings`.

    A list for errors serves for the other causes too, where the file has no list for these at all.
    """
    causes = ["error"]
    for key, of in _CAUSES.items():
        written = _written(root, key)
        if written is None:
            causes += of
            continue
        for found in _lists(written):
            _carry(draft, found, of)
    general = _written(root, "fallbacks")
    lists = list(_lists(general)) if general is not None else []
    default = _written(root, "default_fallbacks")
    if default is not None:
        lists.append(_List(ANY, _names(default), default))
    own = {found.group for found in lists if found.group != ANY}
    for found in lists:
        if found.group != ANY:
            _carry(draft, found, causes)
            continue
        for model in [name for name in draft.models if name not in own]:
            names = [_name(name) for name in found.names if _name(name) != model]
            if names:
                draft.fall_back(model, causes, names, found.node)


def _carry(draft: Draft, found: _List, causes: tuple[str, ...] | list[str]) -> None:
    draft.fall_back(_name(found.group), causes, [_name(name) for name in found.names], found.node)


def _written(root: Node, key: str) -> Node | None:
    """The list that holds; one that does not is listed."""
    nodes = [node for section in _SECTIONS if (node := root.get(section, key))]
    for node in nodes[1:]:
        node.drop("`router_settings` has this list too, which is the one that holds")
    return nodes[0] if nodes else None


def _lists(node: Node) -> Iterator[_List]:
    """Each group's list; the file writes them as mappings in a list."""
    for item in node.items():
        for group, names in item.fields():
            yield _List(group, _names(names), names)


def _names(node: Node) -> list[str]:
    """The groups in a list; those written with parameters of their own are left out, and the list says so."""
    plain = [item for item in node.items() if isinstance(item.value, str)]
    for item in node.items():
        if not isinstance(item.value, str):
            item.drop("a fallback with parameters of its own is no model's name", "make it a model")
    return [item.needed() for item in plain]


def _name(group: str) -> str:
    return group if is_name(group) else clean(group)
