"""Makes the catalog's shipped tables from raw price lists and readings of published figures.

    python scripts/make_catalog_tables.py --data ../shared/data          # writes src/baseload/catalog/data
    python scripts/make_catalog_tables.py --data ../shared/data --check  # exit 1 if a shipped table differs

Raw price lists: `api_prices/api_token_prices.csv` and `gpu_prices/gpu_instances.csv` under --data. Readings:
`scripts/catalog_facts/`, where each figure stands as its source prints it, from one place or several; this
script brings them to one unit (dense operations, drivers' memory), compares the places, counts the models'
weights, and writes beside each row which figures a second place confirms and which are from memory.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from baseload.catalog.prices import same_model
from baseload.catalog.tables import Row, read_table
from baseload.catalog.weights import count_parameters

ROOT = Path(__file__).resolve().parent.parent
READ_ON = "2026-11-22"
"""When the readings and the raw price lists were taken."""

FLOPS = ("bf16_tflops", "fp8_tflops", "fp4_tflops", "int8_tops")
TOLERANCE = {"memory_gib": 0.08, "bandwidth_gb_per_s": 0.05, "link_gb_per_s": 0.05} | dict.fromkeys(
    FLOPS, 0.08
)
"""How far two places may be apart and still say the same: sheets round, and GDDR with ECC reports 6% less."""

CARD_TOLERANCE = 0.03
"""How far a counted model may be from its maker's rounded figure."""

GPU_COLUMNS = ("name", "aliases", *TOLERANCE, "linked_gpus", "source", "as_of", "checked")
MODEL_FIGURES = ("layers", "hidden_size", "heads", "kv_heads", "head_dim", "windowed_layers", "window_tokens")
MODEL_COLUMNS = (
    *("name", "aliases", "parameters", "active_parameters", *MODEL_FIGURES[:5], "kv_latent_dim"),
    *(*MODEL_FIGURES[5:], "vocabulary", "experts", "active_experts", "dense_layers"),
    *("linear_layers", "state_values", "index_dim", "sparse_tokens", "context_tokens"),
    *(
        "intermediate_size",
        "expert_size",
        "fp8_block",
        "experts_only",
        "remote_code",
        "mtp_layers",
        "precisions",
    ),
    *("licence", "source", "as_of", "checked"),
)
OFFER_COLUMNS = ("offer", "gpu", "gpus", "usd_per_hour", "spot_usd_per_hour", "source", "as_of", "checked")
PRICE_COLUMNS = (
    *("price", "input", "output", "cached_input", "cache_write", "batch_input", "batch_output"),
    *("priority_input", "priority_output", "long_above_tokens", "long_input", "long_output"),
    *("page", "source", "as_of"),
)

HEADERS = {
    "gpus.csv": (
        "GPUs as their makers' data sheets describe them: dense operations, memory as drivers report it.",
        "Source: the `source` column; licence: facts, no licence claimed.",
    ),
    "models.csv": (
        "Open-weight models as their published configurations describe them.",
        "Source: the `source` column; licence: facts, no licence claimed; `licence` is that of the weights.",
    ),
    "gpu_offers.csv": (
        "List prices of GPU instances in USD per hour, on demand and spot.",
        "Source: aws/karpenter-provider-aws 1d927085, Azure/karpenter-provider-azure 352646f5,",
        "cloudpilot-ai/karpenter-provider-gcp 417f047b, skypilot-org/skypilot-catalog; licence: Apache-2.0.",
    ),
    "token_prices.csv": (
        "Token prices in USD per million: batch, priority and long-context ones, and those of open models.",
        "Source: litellm 1.109.1, model_prices_and_context_window_backup.json; licence: MIT (BerriAI).",
    ),
}


class Disagreement(ValueError):
    """Two readings of one figure that cannot both be right."""


def gpu_rows(readings: Iterable[Row]) -> list[Row]:
    """One row per GPU from its readings: the first place's figures, and what the others confirm."""
    rows = []
    for name, first, others in _grouped(readings, "gpu"):
        figures = _gpu_figures(first)
        seconds = [(other["source"], _gpu_figures(other)) for other in others]
        reported = [
            each["memory_gib"] for (_, each), raw in zip(seconds, others, strict=True) if raw["memory_mib"]
        ]
        checked = _compare(figures, seconds, name)
        if reported:
            figures["memory_gib"] = reported[0]
        rows.append(
            {
                "name": name,
                "aliases": first["aliases"],
                "linked_gpus": first["linked_gpus"],
                "source": first["source"],
                "as_of": READ_ON,
                "checked": checked,
            }
            | {column: _plain(figures[column]) if column in figures else "" for column in TOLERANCE}
        )
    return rows


def _gpu_figures(reading: Row) -> dict[str, Decimal]:
    """A reading in our units: sparse operations and two-way links halved, MiB as GiB.

    What it does not state is absent.
    """
    figures: dict[str, Decimal] = {}
    if reading["memory_mib"]:
        figures["memory_gib"] = round(Decimal(reading["memory_mib"]) / 1024, 2)
    elif reading["memory_gb"]:
        figures["memory_gib"] = Decimal(reading["memory_gb"])
    if reading["bandwidth_gb_per_s"]:
        figures["bandwidth_gb_per_s"] = Decimal(reading["bandwidth_gb_per_s"])
    if reading["link_gb_per_s"]:  # both ways together, as sheets print it
        figures["link_gb_per_s"] = Decimal(reading["link_gb_per_s"]) / 2
    halved = 2 if reading["basis"] == "sparse" else 1
    figures |= {column: Decimal(reading[column]) / halved for column in FLOPS if reading[column]}
    return figures


def _compare(
    figures: Mapping[str, Decimal], seconds: Sequence[tuple[str, Mapping[str, Decimal]]], name: str
) -> str:
    """Which place confirms which figures, and which stay from memory; Disagreement beyond the tolerance."""
    confirmed: dict[str, list[str]] = {}
    unseen = dict.fromkeys(figures)
    for source, second in seconds:
        for column, value in second.items():
            if column not in figures:
                raise Disagreement(f"{name}: {column} is stated by {source} only")
            if abs(value / figures[column] - 1) > TOLERANCE[column]:
                raise Disagreement(f"{name}: {column} {figures[column]}, but {value} at {source}")
            confirmed.setdefault(source, []).append(_short(column))
            unseen.pop(column, None)
    said = [f"{source}: {', '.join(columns)}" for source, columns in confirmed.items()]
    if unseen:
        said.append(f"from memory: {', '.join(map(_short, unseen))}")
    return "; ".join(said)


def model_rows(readings: Iterable[Row]) -> list[Row]:
    """One row per model: its configuration, its weights counted from it, and where it was checked."""
    rows = []
    for name, first, others in _grouped(readings, "model"):
        config = {column: int(cell) for column, cell in first.items() if cell.isdigit()}
        count = count_parameters(first["architecture"], config)
        # makers differ in whether the input embedding is active
        embedding = config["vocabulary"] * config["hidden_size"]
        _meets_card(name, (count.total,), first["card_parameters_b"])
        _meets_card(name, (count.active, count.active + embedding), first["card_active_b"])
        state = config.get("linear_value_heads", 0) * config.get("linear_key_dim", 0)
        state *= config.get("linear_value_dim", 0)
        latent = config.get("kv_lora_rank", 0) + config.get("qk_rope_head_dim", 0)
        derived = {
            "name": name,
            "parameters": str(count.total),
            "active_parameters": str(count.active),
            "kv_latent_dim": str(latent or ""),
            "state_values": str(state or ""),
            "expert_size": first["moe_intermediate_size"],
            "as_of": READ_ON,
            "checked": _confirmed(name, first, others),
        }
        rows.append({column: derived.get(column, first.get(column, "")) for column in MODEL_COLUMNS})
    return rows


def _meets_card(name: str, counts: Sequence[int], card_b: str) -> None:
    """Raises Disagreement unless the card's figure is one of the counts."""
    if card_b and all(abs(counted / (float(card_b) * 1e9) - 1) > CARD_TOLERANCE for counted in counts):
        counted_b = " or ".join(f"{counted / 1e9:.2f}B" for counted in counts)
        raise Disagreement(f"{name}: counted {counted_b}, its card says {card_b}B")


def _confirmed(name: str, first: Row, others: Sequence[Row]) -> str:
    """Names of the places that state the same configuration; Disagreement if one does not."""
    said = []
    for other in others:
        stated = [c for c, cell in other.items() if cell and c not in ("model", "reading", "source")]
        for column in stated:
            exact = not column.startswith("card_")
            if exact and other[column] != first[column]:
                raise Disagreement(
                    f"{name}: {column} {first[column]}, but {other[column]} at {other['source']}"
                )
            if not exact and abs(float(other[column]) / float(first[column]) - 1) > CARD_TOLERANCE:
                raise Disagreement(
                    f"{name}: {column} {first[column]}, but {other[column]} at {other['source']}"
                )
        whole = any(column in stated for column in ("layers", "hidden_size"))
        said.append(other["source"] if whole else f"{other['source']}: parameters")
    if first["card_parameters_b"]:
        said.append(f"counted parameters meet the card's {first['card_parameters_b']}B")
    if not said:
        said.append("its configuration alone, no second place")
    return "; ".join(said)


def offer_rows(prices: Iterable[Row], instances: Iterable[Row]) -> list[Row]:
    """The raw offers whose instance was checked, with the checked GPU; vCPUs and host memory are left out.

    Raises Disagreement where the raw list and the checked one count GPUs differently.
    """
    facts = {(row["provider"], row["instance"]): row for row in instances}
    rows = []
    for price in prices:
        fact = facts.get((price["provider"], price["instance"]))
        if fact is None:
            continue
        if fact["gpus"] != price["gpus"]:
            raise Disagreement(f"{price['instance']}: {price['gpus']} GPUs, but {fact['gpus']} when checked")
        offer = f"{price['provider']}/{price['region']}/{price['instance']}"
        kept = {column: price[column] for column in ("usd_per_hour", "spot_usd_per_hour", "source", "as_of")}
        rows.append(
            {"offer": offer, "gpu": fact["gpu"], "gpus": fact["gpus"], **kept, "checked": fact["checked"]}
        )
    return sorted(rows, key=lambda row: row["offer"])


def price_rows(raw: Iterable[Row], models: Sequence[str]) -> list[Row]:
    """The raw token prices that add something: batch, priority or long-context prices, or an open model's."""
    rows = []
    for row in raw:
        model = _upstream_name(row["provider"], row["model"])
        above = _long_above(model) if row["long_input_usd_per_m"] else ""
        extra = any(row[f"{mode}_input_usd_per_m"] for mode in ("batch", "priority")) or above
        if not extra and not any(same_model(model, name) for name in models):
            continue
        kept = {
            "price": f"{row['provider']}/{model}",
            "input": row["input_usd_per_m"],
            "output": row["output_usd_per_m"],
            "cached_input": row["cache_read_usd_per_m"],
            "cache_write": row["cache_write_usd_per_m"],
            "long_above_tokens": above,
            "page": row["price_page"],
            "source": "litellm 1.109.1",
            "as_of": READ_ON,
        }
        for column in ("batch_input", "batch_output", "priority_input", "priority_output"):
            kept[column] = row[f"{column}_usd_per_m"]
        for column in ("long_input", "long_output"):
            kept[column] = row[f"{column}_usd_per_m"] if above else ""
        if kept["input"] and kept["output"]:
            rows.append(kept)
    return rows


def _upstream_name(provider: str, model: str) -> str:
    """The name the provider's own API knows, without litellm's routing prefix."""
    prefix, slash, rest = model.partition("/")
    routed = slash and (prefix == provider or prefix == provider.partition("-")[0])
    return rest if routed else model


def _long_above(model: str) -> str:
    """Where a family's long-context price begins: the raw list says above 200k or 272k, not which.

    GPT models switch at 272,000 input tokens, Gemini, Claude and Grok at 200,000 (as genai-prices has it,
    which a test compares); of any other family it is not known, and the price is left out.
    """
    if re.search(r"(^|[./])gpt-", model):
        return "272000"
    return "200000" if re.search(r"gemini|claude|grok", model) else ""


def _grouped(readings: Iterable[Row], key: str) -> list[tuple[str, Row, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for reading in readings:
        groups.setdefault(reading[key], []).append(reading)
    for name, group in groups.items():
        if [row["reading"] for row in group].count("first") != 1 or group[0]["reading"] != "first":
            raise Disagreement(f"{name}: needs one first reading, before the others")
    return [(name, group[0], group[1:]) for name, group in groups.items()]


def _short(column: str) -> str:
    return column.partition("_")[0]


def _plain(value: Decimal) -> str:
    """A figure without an exponent or trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def table_text(name: str, columns: Sequence[str], rows: Iterable[Row]) -> str:
    """A shipped table: what it is and whose, then the rows as CSV."""
    out = io.StringIO()
    for line in (*HEADERS[name], f"Date: {READ_ON}; made by scripts/make_catalog_tables.py: do not edit."):
        out.write(f"# {line}\n")
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def make_tables(data: Path, facts: Path) -> dict[str, str]:
    """Every shipped table's text by file name."""

    def rows(path: Path) -> list[Row]:
        return read_table(path.read_text(encoding="utf-8"), str(path))

    models = model_rows(rows(facts / "models.csv"))
    offers = offer_rows(rows(data / "gpu_prices/gpu_instances.csv"), rows(facts / "instances.csv"))
    prices = price_rows(rows(data / "api_prices/api_token_prices.csv"), [row["name"] for row in models])
    return {
        "gpus.csv": table_text("gpus.csv", GPU_COLUMNS, gpu_rows(rows(facts / "gpus.csv"))),
        "models.csv": table_text("models.csv", MODEL_COLUMNS, models),
        "gpu_offers.csv": table_text("gpu_offers.csv", OFFER_COLUMNS, offers),
        "token_prices.csv": table_text("token_prices.csv", PRICE_COLUMNS, prices),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables, or with --check compare them; the exit code."""
    parser = argparse.ArgumentParser(description="Makes the catalog's shipped tables.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="raw price lists")
    parser.add_argument("--facts", type=Path, default=ROOT / "scripts" / "catalog_facts", help="readings")
    parser.add_argument("--out", type=Path, default=ROOT / "src/baseload/catalog/data", help="shipped tables")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a table differs")
    given = parser.parse_args(arguments)
    differs = False
    for name, text in make_tables(given.data, given.facts).items():
        path = given.out / name
        if given.check:
            same = path.is_file() and path.read_text(encoding="utf-8") == text
            differs |= not same
            print(f"{'same' if same else 'differs'}  {path}")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{len(text):>7} bytes  {path}")
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
