"""What open-weight models weigh and what their KV cache takes, from their published configurations."""

from __future__ import annotations

from functools import cache

from msgspec import Struct

from baseload.catalog.tables import Overrides, Row, find, merge, parsed, shipped

TABLE = "models.csv"

BITS_PER_WEIGHT = {
    "bf16": 16.0,
    "fp16": 16.0,
    "fp8": 8.0,
    "int8": 8.0,
    "nvfp4": 4.5,  # 4 bits and an fp8 scale for every 16 weights
    "mxfp4": 4.25,  # 4 bits and an 8-bit scale for every 32 weights
    "int4": 4.25,  # 4 bits and a 16-bit scale and zero point for every 128, as AWQ and GPTQ store them
}
"""Bits a weight takes, scales included, by precision."""

BITS_PER_WEIGHT_INT4_32 = 4.5
"""Of INT4 with a 16-bit scale for every 32 weights."""

BYTES_PER_KV_VALUE = {"bf16": 2, "fp16": 2, "fp8": 1}
"""Bytes a value of the KV cache takes, by the cache's precision."""


class OpenModel(Struct, frozen=True):
    """One open-weight model as its published configuration describes it.

    Attention is grouped-query (`kv_heads`, `head_dim`) or, where `kv_latent_dim` is not 0, multi-head latent
    (MLA): then each layer caches one vector of that length per token (latent and rotary part together).
    `active_parameters` are those one token's forward pass multiplies: without the input embedding (a lookup)
    and the experts not chosen for it. `windowed_layers` of the `layers` attend to at most `window_tokens`
    tokens back; 0: all see everything. `context_tokens` is the configuration's own limit, without scaling.
    `linear_layers` of the layers keep a state of `state_values` numbers per sequence instead of a cache;
    `sparse_tokens`: attention reads at most so many tokens, chosen by an index key of `index_dim` each (0: it
    reads all); the first `dense_layers` of a mixture of experts have none.
    `precisions` starts with the one the maker publishes; the others have a published checkpoint.
    `intermediate_size` is the width of a dense layer's feed-forward part, `expert_size` that of one expert's.
    `fp8_block`: the published FP8 checkpoint has one scale for a square of so many weights, which no shard
    may cut (0: it has scales of another kind). `experts_only` are precisions whose published checkpoint
    leaves all but the routed experts at 16 bits. `remote_code`: the checkpoint brings code of its own that an
    engine must be told to trust. `mtp_layers` are layers that guess tokens ahead, 0 without.
    `checked` names the places that state the same, or says "from memory".
    """

    name: str
    aliases: tuple[str, ...]
    parameters: int
    active_parameters: int
    layers: int
    hidden_size: int
    heads: int
    kv_heads: int
    head_dim: int
    kv_latent_dim: int
    windowed_layers: int
    window_tokens: int
    vocabulary: int
    experts: int
    active_experts: int
    context_tokens: int
    precisions: tuple[str, ...]
    licence: str
    source: str
    as_of: str
    checked: str
    dense_layers: int = 0
    linear_layers: int = 0
    state_values: int = 0
    index_dim: int = 0
    sparse_tokens: int = 0
    intermediate_size: int = 0
    expert_size: int = 0
    fp8_block: int = 0
    experts_only: tuple[str, ...] = ()
    remote_code: bool = False
    mtp_layers: int = 0

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of KV cache a token takes over all layers, cache in bf16: the bound where no window helps."""
        return (self.layers - self.linear_layers) * self.kv_bytes_per_layer("bf16")

    def kv_bytes_per_layer(self, precision: str = "bf16") -> int:
        """Bytes one token takes in one layer: `2 · kv_heads · head_dim · size`, or `kv_latent_dim · size`.

        A sparse attention's index key is in it.
        """
        values = (self.kv_latent_dim or 2 * self.kv_heads * self.head_dim) + self.index_dim
        return values * BYTES_PER_KV_VALUE[precision]

    def kv_bytes(self, tokens: int, precision: str = "bf16") -> int:
        """Bytes of KV cache of one sequence of `tokens`; windowed layers forget what left the window."""
        full = self.layers - self.windowed_layers - self.linear_layers
        kept = full * tokens + self.windowed_layers * min(tokens, self.window_tokens)
        return kept * self.kv_bytes_per_layer(precision)

    def weight_bytes(self, precision: str) -> int:
        """Bytes of all weights at this precision, scales included.

        Quantised checkpoints leave the embedding and the output head at 16 bits, those in MXFP4 and those of
        `experts_only` all but the experts. Raises KeyError for a precision that BITS_PER_WEIGHT lacks.
        """
        bits = BITS_PER_WEIGHT[precision]
        quantised = self.parameters - 2 * self.vocabulary * self.hidden_size
        if self._experts_alone(precision):
            quantised, bits = self.expert_parameters, self.expert_bits(precision)
        kept = self.parameters - quantised
        return round((kept * max(bits, 16) + quantised * bits) / 8)

    def expert_bits(self, precision: str) -> float:
        """Bits a routed expert's weight takes at this precision, scales included.

        INT4 that was trained with the experts alone has a 16-bit scale for every 32 weights (Kimi K2.5), not
        for every 128 as AWQ and GPTQ have.
        """
        if precision == "int4" and self._experts_alone(precision):
            return BITS_PER_WEIGHT_INT4_32
        return BITS_PER_WEIGHT[precision]

    def _experts_alone(self, precision: str) -> bool:
        return bool(self.experts) and (precision == "mxfp4" or precision in self.experts_only)

    @property
    def expert_parameters(self) -> int:
        """Weights of all routed experts together; 0 for a dense model."""
        idle_experts = self.experts - self.active_experts
        if not idle_experts:
            return 0
        idle = self.parameters - self.active_parameters - self.vocabulary * self.hidden_size
        return idle * self.experts // idle_experts


def open_models(overrides: Overrides | None = None) -> tuple[OpenModel, ...]:
    """Every model held, a user's figures on top of the shipped ones. Raises DataError for a bad override."""
    return _shipped() if overrides is None else _load(overrides)


def open_model(name: str, overrides: Overrides | None = None) -> OpenModel:
    """The model of this name or alias in any spelling (`llama-3.3-70b`, `meta-llama/Llama-3.3-70B-Instruct`).

    Raises UnknownName with the nearest name otherwise.
    """
    return find("model", name, open_models(overrides))


@cache
def _shipped() -> tuple[OpenModel, ...]:
    return _load(None)


def _load(overrides: Overrides | None) -> tuple[OpenModel, ...]:
    return tuple(parsed(_model, row, TABLE, "name") for row in merge(shipped(TABLE), overrides, "name"))


def _model(row: Row) -> OpenModel:
    def number(column: str) -> int:
        return int(row[column] or 0)

    parameters = number("parameters")
    if not (parameters and number("layers") and (number("kv_latent_dim") or number("kv_heads"))):
        raise ValueError("parameters, layers and kv_heads (or kv_latent_dim) are needed")
    return OpenModel(
        name=row["name"],
        aliases=tuple(filter(None, row["aliases"].split("|"))),
        parameters=parameters,
        active_parameters=number("active_parameters") or parameters,
        layers=number("layers"),
        hidden_size=number("hidden_size"),
        heads=number("heads"),
        kv_heads=number("kv_heads"),
        head_dim=number("head_dim"),
        kv_latent_dim=number("kv_latent_dim"),
        windowed_layers=number("windowed_layers"),
        window_tokens=number("window_tokens"),
        vocabulary=number("vocabulary"),
        experts=number("experts"),
        active_experts=number("active_experts"),
        context_tokens=number("context_tokens"),
        precisions=tuple(filter(None, row["precisions"].split("|"))),
        licence=row["licence"],
        source=row["source"],
        as_of=row["as_of"],
        checked=row["checked"],
        dense_layers=number("dense_layers"),
        linear_layers=number("linear_layers"),
        state_values=number("state_values"),
        index_dim=number("index_dim"),
        sparse_tokens=number("sparse_tokens"),
        intermediate_size=number("intermediate_size"),
        expert_size=number("expert_size"),
        fp8_block=number("fp8_block"),
        experts_only=tuple(filter(None, row["experts_only"].split("|"))),
        remote_code=bool(number("remote_code")),
        mtp_layers=number("mtp_layers"),
    )
