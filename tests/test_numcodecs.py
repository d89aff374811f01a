"""`MedROI` as numcodecs and its users call it."""

from __future__ import annotations

import array
import copy
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import h5py
import numcodecs
import numpy as np
import pytest
import zarr
from arrays import make_array, phantom, same_bits
from numcodecs.registry import get_codec

from medroi import MedROI, errors

VOLUME = phantom()


def test_the_registry_makes_it_from_its_configuration() -> None:
    codec = MedROI({"id": "deflate", "level": 3}, threshold=7, axes=(0, 2), background=-3)
    config = json.loads(json.dumps(codec.get_config()))
    assert config["id"] == MedROI.codec_id == "medroi"
    made = get_codec(config)
    assert type(made) is MedROI
    assert made == codec
    assert get_codec({"id": "medroi"}) == MedROI()


def test_numcodecs_finds_it_without_an_import_of_medroi() -> None:
    program = (
        "import sys, numcodecs\n"
        "assert 'medroi' not in sys.modules\n"
        "print(numcodecs.get_codec({'id': 'medroi', 'inner': 'raw'}))\n"
    )
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == repr(MedROI("raw"))


def test_equal_codecs_are_one_key_and_others_are_not() -> None:
    codecs = [MedROI(), MedROI("zstd"), MedROI({"id": "zstd", "level": 3}), MedROI("raw")]
    assert len(set(codecs)) == 2
    assert MedROI() != numcodecs.Zstd()
    assert copy.deepcopy(codecs[0]) == codecs[0]


def test_the_object_given_as_configuration_stays_as_it_was() -> None:
    inner = {"id": "zstd", "level": 9}
    config = {"id": "medroi", "inner": inner}
    codec = MedROI.from_config(config)
    codec.get_config()["inner"]["level"] = 1
    assert config == {"id": "medroi", "inner": {"id": "zstd", "level": 9}}
    assert codec.get_config()["inner"]["level"] == 9


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<f4", ">f8", "|b1", "|S3", "<M8[ns]"])
def test_memory_order_and_byte_order_come_back(dtype: str, order: str) -> None:
    volume = make_array(dtype, (9, 11, 7), order, 2)
    assert same_bits(MedROI.lossless().decode(MedROI.lossless().encode(volume)), volume)


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, lambda b: array.array("B", b)])
def test_any_buffer_is_decoded(wrap: type) -> None:
    stream = MedROI.lossless().encode(VOLUME)
    assert same_bits(MedROI().decode(wrap(stream)), VOLUME)


@pytest.mark.parametrize("wrap", [bytes, bytearray, lambda b: array.array("B", b)])
def test_any_buffer_of_bytes_comes_back(wrap: type) -> None:
    plain = b"\0\0text\0" * 9
    assert bytes(MedROI().decode(MedROI().encode(wrap(plain)))) == plain


def test_what_numpy_makes_an_array_of_is_encoded_as_that(tmp_path) -> None:
    with h5py.File(tmp_path / "others.h5", "w") as file:
        dataset = file.create_dataset("volume", data=VOLUME)
        for found in (dataset, zarr.array(VOLUME), np.ma.masked_less(VOLUME, 3)):
            assert MedROI.lossless().encode(found) == MedROI.lossless().encode(VOLUME)


@pytest.mark.parametrize("order", ["C", "F"])
def test_decoding_into_any_buffer_of_the_caller(order: str) -> None:
    volume = np.array(VOLUME, order=order)
    stream = MedROI.lossless().encode(volume)
    for out in (np.empty_like(volume), np.empty(volume.nbytes, "u1"), bytearray(volume.nbytes)):
        assert MedROI().decode(stream, out=out) is out
        assert bytes(np.asarray(out).tobytes("A")) == volume.tobytes("A")


@pytest.mark.parametrize(
    "out",
    [
        np.empty(3, "u1"),
        bytes(VOLUME.nbytes),
        np.empty((*VOLUME.shape, 2), "<i2")[..., 0],
        np.empty(VOLUME.nbytes // 8, object),
        np.empty_like(VOLUME, order="F"),
        np.empty(VOLUME.shape, ">i2"),
        np.empty(VOLUME.shape, "<u2"),
        np.empty(VOLUME.shape[::-1], "<i2"),
        np.empty(VOLUME.size, "<i2"),
        np.empty((VOLUME.shape[0], VOLUME.nbytes // VOLUME.shape[0]), "u1"),
    ],
)
def test_memory_that_cannot_take_the_array_is_refused(out: object) -> None:
    with pytest.raises((errors.InvalidArgument, TypeError)):
        MedROI().decode(MedROI.lossless().encode(VOLUME), out=out)


def test_axes_of_one_voxel_may_be_left_out_of_the_buffer() -> None:
    volume = VOLUME[None, :, :, :1].copy()
    out = np.empty(VOLUME.shape[:2], VOLUME.dtype)
    MedROI().decode(MedROI.lossless().encode(volume), out=out)
    assert np.array_equal(out, volume[0, ..., 0])


def test_a_view_of_an_f_order_array_stays_in_f_order() -> None:
    whole = np.asfortranarray(phantom((30, 28, 26)))
    view = whole[2:20, 3:25, 1:24]
    decoded = MedROI.lossless().decode(MedROI.lossless().encode(view))
    assert np.array_equal(decoded, view)
    assert decoded.flags.f_contiguous


def test_threads_share_one_codec() -> None:
    codec, volumes = MedROI.lossless(), [VOLUME + k for k in range(8)]
    with ThreadPoolExecutor(4) as pool:
        streams = list(pool.map(codec.encode, volumes))
        decoded = list(pool.map(codec.decode, streams))
    assert all(same_bits(a, b) for a, b in zip(decoded, volumes, strict=True))
    assert streams == [codec.encode(volume) for volume in volumes]
