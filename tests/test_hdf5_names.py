"""Promises about the one constant and the one table that stand in two languages."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from medroi import inner
from medroi.hdf5 import FILTER_ID, MedROIFilter

ROOT = Path(__file__).parent.parent
HEADER = (ROOT / "filters" / "cd_values.h").read_text()


def test_the_id_of_the_header_is_that_of_python_and_of_the_format() -> None:
    assert int(re.search(r"#define MEDROI_H5_FILTER_ID (\d+)", HEADER)[1]) == FILTER_ID
    assert f"the filter's id is {FILTER_ID} (provisional" in (ROOT / "FORMAT.md").read_text()


def test_the_plugin_names_inner_codecs_as_python_does() -> None:
    listed = re.findall(
        r'\{(\d+), "(\w+)"\}', (ROOT / "src" / "kernel" / "engine" / "registry.c").read_text()
    )
    names = {int(codec_id): name for codec_id, name in listed}
    for entry in inner.entries():
        if entry.codec_id > 0:
            assert names[entry.codec_id] == entry.name


def test_the_defaults_that_format_md_states_are_those_of_the_filter() -> None:
    words = MedROIFilter().filter_options
    assert words == (1, 327682, 8388613, 3, 0, 0, *_of(0.002), 0, 0, 3, 1)
    text = (ROOT / "FORMAT.md").read_text()
    assert "327682 (zstd)" in text
    assert "| 8388613 |" in text


def _of(number: float) -> tuple[int, int]:
    low, high = struct.unpack("<II", struct.pack("<d", number))
    return low, high


@pytest.mark.parametrize("word", ["0", "1", "2", "3", "4-5", "6-7", "8-9", "10-"])
def test_every_word_is_in_both_tables(word: str) -> None:
    assert f"\n| {word} |" in (ROOT / "FORMAT.md").read_text()
    assert f"\n *   {word:<7}" in HEADER
