"""FORMAT.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from medroi import MedROI, inner

FORMAT = (Path(__file__).parents[1] / "FORMAT.md").read_text()


def test_the_annotated_dump_is_what_the_code_writes() -> None:
    dump = FORMAT.split("byte by byte")[1].split("```")[1]
    rows = re.findall(r"^ *(\d+)  ((?:[0-9a-f]{2} ?)+) ", dump, re.MULTILINE)
    written = bytearray()
    for offset, text in rows:
        assert int(offset) == len(written)
        written += bytes.fromhex(text)
    array = np.zeros((3, 4, 5), "<i2")
    array[1, 1:3, 2:4] = [[100, 101], [102, 103]]
    assert bytes(written) == MedROI.lossless("raw").encode(array)


def test_every_inner_codec_is_specified() -> None:
    for entry in inner.entries():
        assert re.search(rf"\| {entry.codec_id} \| `?{entry.name}", FORMAT), entry.name
