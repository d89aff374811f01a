"""Streams written once are decoded for ever, and bad ones refused for ever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from arrays import same_bits

import medroi
from medroi import MedROI, errors

FOLDER = Path(__file__).parent / "golden"
GOOD = sorted(FOLDER.glob("v*.medroi"))
BAD = sorted(FOLDER.glob("bad-*.medroi"))


def test_the_goldens_are_there() -> None:
    assert len(GOOD) >= 12
    assert len(BAD) >= 31


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_old_streams_decode_to_what_they_always_did(path: Path) -> None:
    expected = np.load(path.with_suffix(".npz"))["array"]
    assert same_bits(MedROI().decode(path.read_bytes()), expected)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_streams_are_refused(path: Path) -> None:
    with pytest.raises((errors.CorruptStream, errors.UnsupportedVersion)):
        MedROI().decode(path.read_bytes())


def test_a_section_that_may_be_skipped_is_skipped() -> None:
    from write_golden import with_section

    stream = MedROI("raw").encode(np.ones((4, 5, 6), "<i2"))
    longer = with_section(stream, b"\x85\x03\0\0\0abc")
    assert same_bits(MedROI().decode(longer), np.ones((4, 5, 6), "<i2"))
    assert medroi.inspect(longer).nbytes == len(stream) + 8
