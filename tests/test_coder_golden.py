"""Parts of the two 3-D coders written once: same bytes for ever, by the kernel and FORMAT.md."""

from __future__ import annotations

import coder_golden
import numpy as np
import pytest
import reference_predict3d
import reference_wavelet3d

CASES = coder_golden.cases()
REFERENCE = {"predict3d": reference_predict3d, "wavelet3d": reference_wavelet3d}


def golden(name: str) -> tuple[bytes, np.ndarray]:
    path = coder_golden.FOLDER / f"part-{name}.bin"
    return path.read_bytes(), np.load(path.with_suffix(".npz"))["array"]


def test_every_golden_has_its_case() -> None:
    found = {path.stem for path in coder_golden.FOLDER.glob("part-*.bin")}
    assert found == {f"part-{name}" for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_old_parts_decode_to_what_they_always_did(name: str) -> None:
    coded, expected = golden(name)
    assert coder_golden.decode(name, coded, expected).tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", sorted(CASES.keys() - coder_golden.READ_ONLY))
def test_the_same_bytes_are_written_for_ever(name: str) -> None:
    assert coder_golden.encode(*CASES[name]) == golden(name)[0]


@pytest.mark.parametrize("name", CASES)
def test_a_reader_written_from_the_specification_agrees(name: str) -> None:
    coded, expected = golden(name)
    reader = REFERENCE[name.split("-")[0]]
    decoded = reader.decode(coded, expected.shape, expected.dtype.str)
    assert decoded.dtype == expected.dtype
    assert decoded.tobytes() == expected.tobytes()
