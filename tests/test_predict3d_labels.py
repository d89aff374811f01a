"""Maps of labels: predict3d codes which neighbours are alike, whatever the labels are called."""

from __future__ import annotations

from ctypes import CDLL

import coder_golden
import numpy as np
import pytest
import reference_predict3d
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_build import Coder
from reference_coder import RefusedError
from scans import atlas, part

from medroi import MedROI, errors
from medroi.inner.predict3d import Predict3D

LEVELS = ["dense", "fast", "max"]
LABELS = 6  # the method
NAMES = [name for name in coder_golden.cases() if name.startswith("predict3d-labels-")]


def through(array: np.ndarray, level: str = "dense") -> tuple[bytes, np.ndarray]:
    coded = Predict3D(level).encode(array)
    out = np.empty_like(array)
    Predict3D.decode(memoryview(coded), out)
    return coded, out


def golden(name: str) -> tuple[bytes, np.ndarray]:
    path = coder_golden.FOLDER / f"part-{name}.bin"
    return path.read_bytes(), np.load(path.with_suffix(".npz"))["array"]


def test_goldens_have_the_method_that_they_are_named_after() -> None:
    assert {golden(name)[0][0] for name in NAMES} == {LABELS}
    assert len(NAMES) >= 6


@given(
    dtype=st.sampled_from(["|b1", "|u1", "<i2", ">u2", "<i4", ">i8", "<u8", "<f4", ">f8"]),
    shape=st.sampled_from([(90,), (12, 13), (1, 20, 9), (5, 9, 11), (3, 2, 8, 9), (2, 3, 2, 5, 6)]),
    n=st.sampled_from([1, 3, 40]),
    step=st.sampled_from([1, 1000]),
    level=st.sampled_from(LEVELS),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_maps_come_back_and_the_reference_agrees(
    dtype: str, shape: tuple[int, ...], n: int, step: int, level: str, seed: int
) -> None:
    array = (atlas(shape, n, seed) * step).astype(dtype)
    coded, decoded = through(array, level)
    assert decoded.tobytes() == array.tobytes()
    assert reference_predict3d.decode(coded, shape, dtype).tobytes() == array.tobytes()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("n", "share"), [(6, 0.6), (60, 0.6), (1500, 0.6)])
def test_they_take_less_than_zstd_at_every_level(n: int, share: float, level: str) -> None:
    array = atlas((16, 40, 44), n).astype("<u4")
    coded, decoded = through(array, level)
    zstd = MedROI.lossless({"id": "zstd", "level": 19}).encode(array)
    assert coded[0] == LABELS
    assert decoded.tobytes() == array.tobytes()
    assert len(coded) < share * len(zstd)


def test_what_labels_are_called_hardly_matters() -> None:
    plain = atlas((12, 30, 32), 30)
    names = np.random.default_rng(1).permutation(31).astype("<i8")
    least = len(through(plain.astype("|u1"))[0])
    assert len(through(names[plain].astype("|u1"))[0]) < 1.05 * least + 20
    assert len(through(names[plain] * 10**15)[0]) < 1.05 * least + 300
    assert len(through((names[plain] / 64).astype("<f4"))[0]) < 1.05 * least + 300


def test_blocks_of_labels_cost_little_but_their_names() -> None:
    names = np.random.default_rng(20).integers(1, 900, (6, 9, 9))
    array = np.kron(names, np.ones((5, 6, 7), int)).astype("<i4")
    for level in LEVELS:
        coded, decoded = through(array, level)
        assert len(coded) < 4 * names.size
        assert np.array_equal(decoded, array)


def test_a_scan_whose_air_is_constant_is_not_taken_for_labels() -> None:
    array = part("<i2", (16, 40, 40))
    array[array < 150] = 0
    assert through(array)[0][0] != LABELS


@pytest.mark.parametrize("name", NAMES)
def test_every_prefix_and_every_extra_byte_is_refused(name: str) -> None:
    coded, expected = golden(name)
    out = np.empty_like(expected)
    for end in range(len(coded)):
        with pytest.raises(errors.CorruptStream):
            Predict3D.decode(memoryview(coded[:end]), out)
    with pytest.raises(errors.CorruptStream):
        Predict3D.decode(memoryview(coded + b"\0"), out)


@pytest.mark.parametrize("name", ["predict3d-labels-wide", "predict3d-labels-image"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_damaged_parts_are_refused_or_decode_as_the_reference_does(
    name: str, data: st.DataObject
) -> None:
    coded, expected = bytearray(golden(name)[0]), golden(name)[1]
    for _ in range(data.draw(st.integers(1, 3))):
        coded[data.draw(st.integers(0, len(coded) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    out = np.empty_like(expected)
    try:
        Predict3D.decode(memoryview(bytes(coded)), out)
    except errors.CorruptStream:
        with pytest.raises(RefusedError):
            reference_predict3d.decode(bytes(coded), expected.shape, expected.dtype.str)
    else:
        found = reference_predict3d.decode(bytes(coded), expected.shape, expected.dtype.str)
        assert out.tobytes() == found.tobytes()


def test_all_builds_write_and_read_the_same_bytes(coder_builds: list[CDLL]) -> None:
    made = [Coder(library, "predict3d") for library in coder_builds]
    for name in NAMES:
        array = coder_golden.cases()[name][1]
        written = {coder.encode(array, [0.0]) for coder in made}
        assert len(written) == 1
        coded = written.pop()
        for coder in made:
            assert coder.decode(coded, array).tobytes() == array.tobytes()
