"""The test vectors of FORMAT.md are bytes of the goldens, and the library decodes them so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from arrays import same_bits

from medroi import MedROI, inner

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
TEXT = (ROOT / "FORMAT.md").read_text()
ROW = re.compile(r"^ *(\d+)  ((?:[0-9a-f]{2} ?)+)(?:  .*)?$")
NEED_A_VECTOR = (
    *("2", "3", "4", "4.1", "4.2", "4.3", "5"),
    *("6", "6.1", "6.3", "6.4", "7", "8", "12.2"),
)


class Vector(NamedTuple):
    section: str
    source: tuple[str, ...]  # "golden", file; or "slab", codec, dtype, shape; "read" is not written
    offset: int
    data: bytes
    values: list[float]  # what a slab decodes to


def parse_block(section: str, lines: list[str]) -> Vector:
    head, _, tail = "\n".join(lines).partition("\ndecodes to\n")
    source, *rows = head.split("\n")
    offset, data = None, b""
    for row in rows:
        number, text = ROW.match(row).groups()
        offset = int(number) if offset is None else offset
        assert int(number) == offset + len(data), row
        data += bytes.fromhex(text)
    return Vector(section, tuple(source.split()), offset, data, [float(v) for v in tail.split()])


def find_vectors(text: str) -> list[Vector]:
    found, section, block = [], "", None
    for line in text.split("\n"):
        heading = re.match(r"#+ (\d+(?:\.\d+)?)\.? ", line)
        if heading and block is None:
            section = heading[1]
        elif line.startswith("```"):
            if block and re.match(r"(golden|slab|read) ", block[0]):
                found.append(parse_block(section, block))
            block = [] if block is None else None
        elif block is not None:
            block.append(line)
    return found


VECTORS = find_vectors(TEXT)
GOLDENS = [vector for vector in VECTORS if vector.source[0] == "golden"]
SLABS = [vector for vector in VECTORS if vector.source[0] in ("slab", "read")]


def codec_of(name: str) -> inner.InnerCodec:
    """The inner codec that `predict3d:level=fast` names."""
    codec_id, *options = name.split(":")
    settings = dict(option.split("=") for option in options)
    return inner.make({"id": codec_id, **{k: as_setting(v) for k, v in settings.items()}})


def as_setting(text: str) -> str | float:
    return float(text) if text.replace(".", "").isdigit() else text


def decode(codec: inner.InnerCodec, data: bytes, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    out = np.empty(shape, dtype)
    type(codec).decode(memoryview(data), out)
    return out


def test_the_sections_that_lay_out_bytes_have_vectors() -> None:
    assert {vector.section for vector in VECTORS} == set(NEED_A_VECTOR)


@pytest.mark.parametrize(
    "vector", GOLDENS, ids=lambda vector: f"{vector.section} {vector.source[1]}"
)
def test_a_vector_is_what_its_golden_holds(vector: Vector) -> None:
    stored = (GOLDEN / vector.source[1]).read_bytes()
    assert stored[vector.offset : vector.offset + len(vector.data)] == vector.data


@pytest.mark.parametrize(
    "name", sorted({vector.source[1] for vector in GOLDENS if vector.source[1].endswith(".medroi")})
)
def test_the_stream_of_a_vector_decodes_to_its_array(name: str) -> None:
    path = GOLDEN / name
    expected = np.load(path.with_suffix(".npz"))["array"]
    reader = MedROI(trust=("heif", "blosc", "sirenmri"))
    assert same_bits(reader.decode(path.read_bytes()), expected)


@pytest.mark.parametrize("vector", SLABS, ids=lambda vector: " ".join(vector.source[1:]))
def test_a_slab_decodes_to_the_values_beside_it(vector: Vector) -> None:
    kind, name, dtype, sizes = vector.source
    codec, shape = codec_of(name), tuple(int(size) for size in sizes.split("x"))
    found = decode(codec, vector.data, dtype, shape)
    assert found.ravel().tolist() == vector.values
    if codec.lossless and codec.name == "predict3d" and kind == "slab":
        assert bytes(codec.encode(found)) == vector.data


def test_a_vector_with_a_gap_is_noticed() -> None:
    with pytest.raises(AssertionError):
        parse_block("1", ["golden a", "   0  01 02  two bytes", "   3  04  one is missing"])


def test_no_line_is_too_long_to_read() -> None:
    assert max(len(line) for line in TEXT.split("\n")) <= 140
