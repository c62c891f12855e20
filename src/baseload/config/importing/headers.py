"""Header fields that another gateway sends with every call, as a target's own: each value a variable."""

from __future__ import annotations

import re
from typing import Any

from baseload.config.headers import FORMAT_HEADERS, OURS
from baseload.config.importing.draft import Draft
from baseload.config.importing.secrets import reference
from baseload.config.importing.source import Node

_NAME = re.compile(r"[a-z0-9-]{1,128}")
_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
_SIGNED = "x-amz-"
_BECAME = "targets.NAME.headers"


class Fields:
    """Collects the header fields of one target; whatever cannot be one is listed at its place."""

    def __init__(self, draft: Draft, wish: str) -> None:
        self._draft, self._wish = draft, wish
        self.found: dict[str, str] = {}

    def add(self, name: str, node: Node) -> None:
        """Carry one field, whose value may be a secret: a literal one becomes a variable."""
        small = name.lower()
        if not _NAME.fullmatch(small) or small in self.found:
            node.drop("is no header's name, or is there already", "write `headers` of the target")
        elif small in OURS or small in _TAKEN or small.startswith(_SIGNED):
            node.drop(
                f"{small} is the gateway's to write, the credential's or the format's",
                "write `key`, and `key_header` where it has another name",
            )
        elif isinstance(node.value, dict | list | bool) or not _is_value(str(node.value)):
            node.drop("is no text that a header may hold", "write `headers` of the target")
        elif value := self._draft.secret(node, _BECAME, self._wish, small):
            self.found[small] = value

    def add_all(self, node: Node) -> None:
        """Carry every field of a mapping; anything else is listed."""
        if not isinstance(node.value, dict):
            node.drop("is no mapping of header names to values", "write `headers` of the target")
            return
        for name, value in node.fields():
            self.add(name, value)

    def settle(self, target: dict[str, Any]) -> None:
        """Write what was collected, if anything, into the target."""
        if self.found:
            target["headers"] = self.found


_TAKEN = frozenset({*FORMAT_HEADERS.values(), "api-key", "anthropic-version"})
"""Where credentials go, and what belongs to a format."""


def _is_value(text: str) -> bool:
    return reference(text) is not None or _VALUE.fullmatch(text) is not None
