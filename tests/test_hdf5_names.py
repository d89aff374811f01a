"""Promises about what stands both in C and in Python or in FORMAT.md."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from medroi import _kernel, inner
from medroi.hdf5 import FILTER_ID, MedROIFilter

ROOT = Path(__file__).parent.parent
FORMAT = (ROOT / "FORMAT.md").read_text()


def test_the_id_of_the_plugin_is_that_of_the_format() -> None:
    assert f"the filter's id is {FILTER_ID} (provisional" in FORMAT


def test_the_plugin_names_inner_codecs_as_python_does() -> None:
    listed = re.findall(
        r'\{(\d+), "(\w+)"\}', (ROOT / "src" / "kernel" / "engine" / "registry.c").read_text()
    )
    names = {int(codec_id): name for codec_id, name in listed}
    for entry in inner.entries():
        if entry.codec_id > 0:
            assert names[entry.codec_id] == entry.name


MISS_RATE = struct.unpack("<II", struct.pack("<d", 0.002))
DEFAULTS = (1, 327682, 8388613, 3, 0, 0, *MISS_RATE, 0, 0, 3, 1)


def test_the_defaults_that_format_md_states_are_those_of_the_filter() -> None:
    assert MedROIFilter().filter_options == DEFAULTS
    stated = {int(re.match(r"\d+", word)[0]): value for word, _, value in rows_below("word")}
    for word in (0, 1, 2, 3):
        assert int(stated[word].split()[0]) == DEFAULTS[word]
    assert (stated[4], stated[6], stated[8], stated[10]) == ("0.0", "0.002", "0", "3, 1")


def rows_below(title: str) -> list[list[str]]:
    """The cells of the table whose first column has this title, in the section on HDF5."""
    section = FORMAT[FORMAT.index("\n## 11. HDF5") :]
    table = section[section.index(f"\n| {title} | meaning ") :].split("\n\n")[0]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[3:]]


def table_of_the_engine() -> dict[str, dict[str, str]]:
    """Bits of a word, or a word that is one value, and what they mean."""
    found: dict[str, dict[str, str]] = {"word": {}}
    for word, bit, n_bits, _, meaning in _kernel.cd_fields():
        if n_bits == 64:
            found["word"][f"{word}-{word + 1}"] = meaning
        elif n_bits == 32:
            found["word"][str(word)] = meaning
        else:
            last = f"-{bit + n_bits - 1}" if n_bits > 1 else ""
            found.setdefault(f"bits of word {word}", {})[f"{bit}{last}"] = meaning
    return found


def test_format_md_has_the_table_of_the_engine() -> None:
    for title, rows in table_of_the_engine().items():
        stated = {row[0]: row[1] for row in rows_below(title)}
        if title == "word":
            stated = {word: stated[word] for word in rows}
        assert stated == rows


def test_the_defaults_of_the_table_are_the_default_words() -> None:
    for word, bit, n_bits, fallback, _ in _kernel.cd_fields():
        value = DEFAULTS[word] | (DEFAULTS[word + 1] << 32 if n_bits == 64 else 0)
        assert value >> bit & (1 << n_bits) - 1 == fallback
