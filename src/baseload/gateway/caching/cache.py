"""One gateway's cache: its store, its secret, its clock, and what a changed configuration leaves of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from baseload.core import CacheBounds, Snapshot, Target
from baseload.gateway.caching import rules
from baseload.gateway.caching.store import AnswerStore, Kept, MemoryStore
from baseload.gateway.site import passed_on

if TYPE_CHECKING:
    from baseload.gateway.exchange import Exchange

RECORDED_SHARE = 4
"""Answers that are recorded while they go out take at most a quarter of the cache's size together."""


class AnswerCache:
    """The answers that a gateway keeps. `now_s` is its clock; `requests` counts by model and result."""

    def __init__(self) -> None:
        bounds = CacheBounds()
        self.now_s = time.monotonic
        self.store: AnswerStore = MemoryStore(bounds.size, bounds.entries)
        self.requests: dict[tuple[str, str], int] = {}
        self.recording = 0
        """Bytes of answers that are on their way to their clients and will be kept once they are whole."""
        self._most_recording = bounds.size // RECORDED_SHARE
        self._secret = secrets.token_bytes(32)

    def apply(self, snapshot: Snapshot) -> None:
        """A configuration comes into force: what it makes wrong goes at once."""
        bounds = snapshot.cache
        self._most_recording = bounds.size // RECORDED_SHARE
        self.store.resize(bounds.size, bounds.entries)
        makers = {name: self.maker(target) for name, target in snapshot.targets.items()}
        self.store.retain(lambda kept: self._stands(kept, snapshot, makers))

    def _stands(self, kept: Kept, snapshot: Snapshot, makers: Mapping[str, bytes]) -> bool:
        """Whether the tenant still keeps answers of this model, and the answer's maker may still give it."""
        model, tenant = snapshot.models.get(kept.model), snapshot.tenants.get(kept.tenant)
        data_class, target = snapshot.classes.get(kept.data_class), snapshot.targets.get(kept.target)
        if model is None or tenant is None or data_class is None or target is None:
            return False
        return (
            model.cache_ttl_s is not None
            and kept.ttl_s <= model.cache_ttl_s
            and tenant.cache
            and makers[target.name] == kept.maker
            and rules.may_answer(model, data_class, None, target)
        )

    def sweep(self) -> None:
        """Lets go of what has expired."""
        self.store.sweep(self.now_s())

    def maker(self, target: Target) -> bytes:
        """What a target is now."""
        return rules.maker_of(self._secret, target)

    def key(self, exchange: Exchange) -> bytes:
        """What the answer to this request is kept under."""
        terms, endpoint, head = exchange.terms, exchange.endpoint, exchange.head
        only = None if terms.only is None else tuple(sorted(terms.only))
        scope = rules.Scope(
            exchange.caller.tenant.name,
            terms.data_class.name,
            terms.place.model.name,
            only,
            head.path,
            passed_on(endpoint, head.fields),
            exchange.stream,
        )
        left_out = rules.UNANSWERED.get(endpoint.name, frozenset())
        return rules.request_key(self._secret, scope, exchange.fields.members.items(), left_out)

    def count(self, model: str, result: str) -> None:
        """A request was a hit, a miss or a bypass."""
        self.requests[model, result] = self.requests.get((model, result), 0) + 1

    def has_room(self, size: int) -> bool:
        """Whether an answer of so many bytes, so far, may be recorded on."""
        return size <= self.store.longest and self.recording <= self._most_recording
