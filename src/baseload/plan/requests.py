"""Traffic as a replica sees it: one queue of requests, prompts as chains of blocks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from baseload.capacity.timeline import Chains, Requests
from baseload.traffic.table import PrefixBlocks, Traffic


def requests_of(traffic: Traffic) -> Requests:
    """The requests of this traffic, every length at least one token.

    Where the traffic has prefix blocks, what is cached is found by the replica's own cache; elsewhere it is
    what the traffic says.
    """
    prompt = np.maximum(traffic.input_tokens, 1)
    chains = None if traffic.prefix is None else chains_of(traffic.prefix)
    return Requests(
        traffic.arrival_s,
        prompt,
        np.maximum(traffic.output_tokens, 1),
        np.minimum(traffic.cached_tokens, prompt - 1),
        chains,
    )


def chains_of(prefix: PrefixBlocks) -> Chains:
    """Blocks numbered by themselves and all before them: one number, one beginning of a prompt."""
    known: dict[tuple[int, int], int] = {}
    ids = np.empty(len(prefix.hashes), np.int64)
    offsets, hashes = prefix.offsets.tolist(), prefix.hashes.tolist()
    for begin, end in pairwise(offsets):
        chain = -1
        for place in range(begin, end):
            chain = known.setdefault((chain, hashes[place]), len(known))
            ids[place] = chain
    return Chains(prefix.offsets, ids, len(known), prefix.block_tokens)
