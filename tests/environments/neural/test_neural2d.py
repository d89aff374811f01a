"""The inner codec `neural2d`, on a small network."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import zarr

import medroi
import medroi.hdf5
from medroi.cli import main
from medroi.errors import (
    CorruptStream,
    InnerUnavailable,
    InvalidArgument,
    UnsupportedVersion,
    VerificationFailed,
)
from medroi.inner.base import Block
from medroi.inner.neural import near, part
from medroi.inner.neural.neural2d import network_loading as loading
from medroi.inner.neural.neural2d.codec import LAYOUT, Neural2D
from medroi.zarr import MedROICodec

TESTS = Path(__file__).parents[2]
sys.path.insert(0, str(TESTS))

from neural2d_weights import scan, small_tensors, write_weights  # noqa: E402
from reference_neural2d import decode as slow_decode  # noqa: E402

GOLDEN = TESTS / "golden" / "neural" / "neural2d.npz"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights"))


def decoded(coded: bytes, like: np.ndarray) -> np.ndarray:
    out = np.full_like(like, 7)
    Neural2D.decode(memoryview(coded), out)
    return out


def test_a_reader_made_from_the_specification_alone_gives_the_same_array(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = scan("<f8", (3, 20, 33))
    coded = with_long_records(checkpoint, array, monkeypatch)
    opened = part.unpack(memoryview(coded))
    expected = np.rint(slow_decode(coded, small_tensors(), array.shape) * 65536) / 65536
    expected = opened.offset + opened.span * expected
    assert np.array_equal(decoded(coded, array), expected)
    assert len(np.unique(expected)) > 500


def test_the_golden_part_decodes(checkpoint: Path) -> None:
    Neural2D(checkpoint).config()  # names the weights, which are then found
    with np.load(GOLDEN) as golden:
        coded, array = golden["coded"].tobytes(), golden["array"]
    assert np.array_equal(decoded(coded, array), array)


READER = """
import sys, numpy as np, torch, medroi
torch.set_num_threads(int(sys.argv[1]))
torch.backends.mkldnn.enabled = sys.argv[2] == "1"
np.save(sys.argv[4], medroi.MedROI(inner="zstd").decode(open(sys.argv[3], "rb").read()))
"""


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_another_process_with_other_threads_and_libraries_reads_the_same_array(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    array = scan()
    stream = medroi.MedROI(inner=Neural2D(checkpoint, precision=precision)).encode(array)
    here = np.asarray(medroi.MedROI(inner="zstd").decode(stream))
    (tmp_path / "stream").write_bytes(stream)
    monkeypatch.setenv("MEDROI_WEIGHTS", str(checkpoint))
    for threads, onednn in (("1", "0"), ("2", "1")):
        target = tmp_path / f"{threads}.npy"
        arguments = [threads, onednn, str(tmp_path / "stream"), str(target)]
        subprocess.run([sys.executable, "-c", READER, *arguments], check=True)
        again = np.load(target)
        # Symbols are the same; the synthesis in single precision may differ by a rounding.
        slack = 0 if precision == "float64" else 1
        assert np.abs(again.astype(np.int64) - here).max() <= slack


def test_any_number_of_threads_writes_the_same_bytes(checkpoint: Path) -> None:
    before, streams = torch.get_num_threads(), set()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        streams.add(Neural2D(checkpoint).encode(scan()))
    torch.set_num_threads(before)
    assert len(streams) == 1


def test_a_smaller_step_is_better_and_larger(checkpoint: Path) -> None:
    # What a random network leaves out is no matter of the step: latents are compared.
    from medroi.inner.neural.images import scale_of, to_slices
    from medroi.inner.neural.neural2d import network_coding as coding
    from medroi.inner.neural.neural2d.codec import _pad, padded_shape

    array = scan()
    networks = Neural2D(checkpoint).networks()
    images = _pad(to_slices(array, scale_of("neural2d", array)))
    latents = coding._analyse(networks, images)
    sizes, errors = [], []
    for step in (0.25, 1.0, 4.0):
        coded = coding.write(networks, images, step)
        found = coding.read(networks, coded, padded_shape(array.shape), step)
        errors.append(np.abs(found - latents).max())
        assert errors[-1] <= step / 2 * (1 + 1e-9)
        sizes.append(sum(map(len, coded.sections)))
    assert sizes == sorted(sizes, reverse=True) and errors == sorted(errors)


def test_the_slice_before_is_known_and_parts_are_apart(checkpoint: Path) -> None:
    array = np.repeat(scan(shape=(1, 64, 64)), 6, axis=0)
    together = decoded(Neural2D(checkpoint).encode(array), array)
    alone = decoded(Neural2D(checkpoint).encode(array[:1]), array[:1])
    assert np.array_equal(together[0], alone[0])
    assert not np.array_equal(together[1], alone[0])
    codec = medroi.MedROI(inner=Neural2D(checkpoint, part_slices=2), threshold=None)
    assert medroi.inspect(codec.encode(array)).n_parts == 3


def test_zarr_and_hdf5_arrays_come_back(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDROI_WEIGHTS", str(checkpoint))
    volume, inner = scan(), Neural2D(checkpoint)
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=volume.shape, dtype=volume.dtype, chunks=volume.shape,
        serializer=MedROICodec(inner=inner), compressors=None,
    )  # fmt: skip
    array[:] = volume
    read = zarr.open_array(tmp_path / "a.zarr", mode="r")[:]
    assert str(checkpoint.parent) not in (tmp_path / "a.zarr" / "zarr.json").read_text()
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        filters = medroi.hdf5.MedROIFilter(inner=inner)
        h5.create_dataset("scan", data=volume, chunks=volume.shape, **filters)
    with h5py.File(tmp_path / "a.h5") as h5:
        assert np.array_equal(h5["scan"][:], read)


@pytest.mark.parametrize("shape", [(1, 1), (9,), (3, 1, 200), (1, 65, 3), (2, 2, 20, 30)])
@pytest.mark.parametrize("dtype", ["|u1", ">u2", "<f4", "<i8"])
def test_any_shape_and_type_comes_back(
    checkpoint: Path, shape: tuple[int, ...], dtype: str
) -> None:
    block = np.random.default_rng(1).integers(3, 250, shape).astype(dtype)
    out = decoded(Neural2D(checkpoint).encode(block), block)
    assert block.min() <= out.min() and out.max() <= block.max()
    constant = np.full(shape, 77, dtype)
    assert np.array_equal(decoded(Neural2D(checkpoint).encode(constant), constant), constant)


def test_prefixes_are_refused_and_flips_are_noticed(checkpoint: Path) -> None:
    block = scan(shape=(2, 40, 40))
    coded = Neural2D(checkpoint).encode(block)
    whole = decoded(coded, block)
    out = np.empty_like(block)
    for stop in range(0, len(coded), 5):
        with pytest.raises(CorruptStream):
            Neural2D.decode(memoryview(coded[:stop]), out)
    rng = np.random.default_rng(1)
    start = len(coded) - sum(map(len, part.unpack(memoryview(coded)).sections))
    for place in (*range(start), *rng.integers(start, len(coded), 80)):
        broken = bytearray(coded)
        broken[place] ^= 1 << int(rng.integers(8))
        try:
            Neural2D.decode(memoryview(bytes(broken)), out)
        except (CorruptStream, InnerUnavailable, UnsupportedVersion):
            continue
        if place >= start:
            assert np.array_equal(out, whole)


def with_long_records(
    checkpoint: Path, array: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> bytes:
    """A part whose writer distrusted its numbers from the third digit on."""
    with monkeypatch.context() as patched:
        patched.setattr(near, "RELATIVE_MARGIN", 1e-2)
        coded = Neural2D(checkpoint, step=0.7).encode(array)
    for section in part.unpack(memoryview(coded)).sections[:2]:
        record, _ = near.Near.unpack(memoryview(section))
        assert record.positions.size > 20 and record.positions[-1] > 8 * record.positions[0] + 8
    return coded


def shake(monkeypatch: pytest.MonkeyPatch, size: float) -> None:
    """Let the network give other last digits."""
    from medroi.inner.neural.neural2d.network_prior import Prior

    exact, rng = Prior.expected, np.random.default_rng(4)

    def shaken(self: Prior, *given: object) -> tuple[torch.Tensor, torch.Tensor]:
        means, scales = exact(self, *given)
        return tuple(
            values * (1 + size * torch.from_numpy(rng.uniform(-1, 1, values.shape)))
            for values in (means, scales)
        )

    monkeypatch.setattr(Prior, "expected", shaken)


def test_other_machines_numbers_within_the_record_decode_the_same(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = scan()
    coded = with_long_records(checkpoint, array, monkeypatch)
    here = decoded(coded, array)
    shake(monkeypatch, 1e-3)
    assert np.array_equal(decoded(coded, array), here)


def test_numbers_beyond_the_record_are_an_error_and_no_array(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = scan(shape=(1, 64, 64))
    codec = Neural2D(checkpoint)
    coded = codec.encode(array)
    shake(monkeypatch, 1e-2)
    with pytest.raises(CorruptStream):
        decoded(coded, array)


def test_what_does_not_decode_otherwise_is_not_written(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shake(monkeypatch, 1e-2)
    with pytest.raises(VerificationFailed, match="nothing was written"):
        Neural2D(checkpoint).encode(scan())


def test_a_record_behind_the_last_latent_is_refused(checkpoint: Path) -> None:
    array = scan(shape=(2, 32, 32))
    opened = part.unpack(memoryview(Neural2D(checkpoint).encode(array)))
    far = near.Near(np.array([10**9]), np.array([0], np.int32)).pack()
    for number in (0, 1):
        sections = list(opened.sections)
        sections[number] = far
        hostile = part.pack(dataclasses.replace(opened, sections=tuple(sections)))
        with pytest.raises(CorruptStream, match="behind the last"):
            decoded(hostile, array)


def test_parts_of_other_sizes_than_are_written_are_refused_before_the_network_runs(
    checkpoint: Path,
) -> None:
    with pytest.raises(InvalidArgument, match="smaller chunks"):
        Neural2D(checkpoint).check(Block((1 << 22,), np.dtype("u1")))
    with pytest.raises(InvalidArgument, match="smaller chunks"):
        Neural2D(checkpoint).check(Block((3, 1 << 17, 1, 1), np.dtype("u1")))
    coded = Neural2D(checkpoint).encode(scan(shape=(1, 8, 8)))
    with pytest.raises(CorruptStream, match="of shape"):
        decoded(coded, np.zeros((1 << 17, 1, 1), np.uint8))


def test_wrong_weights_and_settings_are_refused(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    other = {name: torch.from_numpy(tensor) for name, tensor in small_tensors().items()}
    del other["synthesis.norm1.gamma"]
    torch.save(other, tmp_path / "other.pth")
    with pytest.raises(InvalidArgument, match=r"norm1\.gamma"):
        medroi.MedROI(inner=Neural2D(tmp_path / "other.pth")).encode(scan())
    with pytest.raises(InnerUnavailable, match="medroi weights import"):
        medroi.MedROI(inner=Neural2D("0" * 32)).encode(scan())
    for name, value in (("step", 0.0), ("step", float("nan")), ("part_slices", 0)):
        with pytest.raises(InvalidArgument, match=name):
            Neural2D(checkpoint, **{name: value})
    with pytest.raises(InvalidArgument, match="precision"):
        Neural2D(checkpoint, precision="float16")
    with pytest.raises(InvalidArgument, match=r"pathlib\.Path"):
        Neural2D(str(checkpoint))
    assert not torch.cuda.is_available()
    with pytest.raises(InvalidArgument, match="no CUDA"):
        medroi.MedROI(inner=Neural2D(checkpoint, device="cuda")).encode(scan())
    block = scan("<f4")
    block[0, 20, 30] = np.nan
    with pytest.raises(InvalidArgument, match="lossless"):
        Neural2D(checkpoint).encode(block)


def test_a_file_that_is_replaced_meanwhile_changes_no_region_halfway(tmp_path: Path) -> None:
    path = write_weights(tmp_path, seed=3)
    array = scan(shape=(4, 40, 40))
    planned = Neural2D(path, part_slices=2).plan(array)
    first = planned.encode(array[:2])
    write_weights(tmp_path, seed=2).replace(path)
    loading.networks.remembered.cache_clear()
    with pytest.raises(InnerUnavailable):
        planned.encode(array[2:])
    assert Neural2D(path).config()["weights"] != part.unpack(memoryview(first)).weights_hash.hex()


def test_imported_weights_are_recognised_and_read_a_stream(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert main(["weights", "import", str(checkpoint)]) == 0
    assert "neural2d weights" in capsys.readouterr().out
    assert main(["weights", "verify"]) == 0
    assert main(["codecs"]) == 0
    assert "neural2d" in capsys.readouterr().out


def test_the_layout_takes_what_the_small_network_needs() -> None:
    assert dict(LAYOUT.shapes(small_tensors())) == {
        name: tensor.shape for name, tensor in small_tensors().items()
    }
