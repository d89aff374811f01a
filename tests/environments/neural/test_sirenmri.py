"""Inner codec sirenmri: trained, stored, and decoded alike wherever the bytes go."""

from __future__ import annotations

import json
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from medroi import MedROI, errors, inspect
from medroi.inner.base import InnerCodec
from medroi.inner.neural import weights
from medroi.inner.neural.sirenmri import network, stored
from medroi.inner.neural.sirenmri.architecture import Architecture
from medroi.inner.neural.sirenmri.codec import LAYOUT, SirenMRI

TESTS = Path(__file__).parents[2]
sys.path.insert(0, str(TESTS))

from arrays import phantom  # noqa: E402
from parity_recipe import recipe_tensors  # noqa: E402

TINY = {"hidden": 16, "layers": 2, "steps": 20, "batch": 256}
SHAPE = (7, 10, 9)


def siren(**settings: object) -> dict[str, object]:
    return {"id": "sirenmri", **TINY, **settings}


def medroi(**settings: object) -> MedROI:
    return MedROI(siren(**settings), threshold=None)


def psnr(found: np.ndarray, expected: np.ndarray) -> float:
    error = np.mean((found.astype(np.float64) - expected) ** 2)
    return 10 * math.log10(float(np.ptp(expected)) ** 2 / error)


def encode_part(array: np.ndarray, **settings: object) -> bytes:
    return SirenMRI(**{**TINY, **settings}).encode(array)


def decode_part(coded: bytes, like: np.ndarray) -> np.ndarray:
    out = np.empty_like(like)
    SirenMRI.decode(memoryview(coded), out)
    return out


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<i2", ">i2", "|u1", "<u4", ">f4", "<f8", "<f2"])
def test_shape_type_and_memory_order_come_back(dtype: str, order: str) -> None:
    array = np.array(phantom(SHAPE, dtype), order=order)
    codec = medroi()
    found = codec.decode(codec.encode(array))
    assert found.shape == array.shape and found.dtype == array.dtype
    assert found.flags.f_contiguous == array.flags.f_contiguous
    assert array.min() <= found.min() and found.max() <= array.max()


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 9, 8), (9, 1, 8), (1, 1, 8), (2, 2, 2), (9, 8), (8,), (2, 3, 4, 5)]
)
@pytest.mark.parametrize("setting", ["fast", "faithful"])
def test_thin_and_small_volumes_come_back(shape: tuple[int, ...], setting: str) -> None:
    array = np.arange(1, math.prod(shape) + 1, dtype="<i2").reshape(shape)
    config = siren() if setting == "fast" else {"id": "sirenmri", "setting": setting, "steps": 1}
    codec = MedROI(config, threshold=None)
    found = codec.decode(codec.encode(array))
    assert found.shape == shape and found.min() >= 1 and found.max() <= array.size


@pytest.mark.parametrize("dtype", ["<i2", "|u1", ">f4", "<f8"])
def test_a_constant_region_is_exact_and_trains_nothing(dtype: str) -> None:
    array = np.full(SHAPE, 7, dtype)
    coded = encode_part(array, steps=10**9)
    assert len(coded) < 100
    assert np.array_equal(decode_part(coded, array), array)


def test_training_reaches_a_volume() -> None:
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in (16, 18, 20)), indexing="ij")
    array = (1000 * np.exp(-4 * sum(axis**2 for axis in grid))).astype("<i2")
    codec = medroi(hidden=48, layers=3, steps=200, batch=1024)
    assert psnr(codec.decode(codec.encode(array)), array) > 35


def test_more_bits_cost_more_bytes_and_lose_less() -> None:
    array = phantom((12, 14, 12))
    coded = [encode_part(array, hidden=48, steps=150, bits=bits) for bits in (6, 8, 11)]
    assert len(coded[0]) < len(coded[1]) < len(coded[2])
    assert psnr(decode_part(coded[0], array), array) < psnr(decode_part(coded[2], array), array)


def test_faithful_stores_the_published_network_in_single_precision() -> None:
    array = phantom((5, 6, 7))
    coded = SirenMRI("faithful", steps=2).encode(array)
    found = stored.unpack(memoryview(coded), 3)
    assert found.architecture == Architecture(3, 256, 3, 30.0)
    assert {name: v.shape for name, v in found.weights.items()} == LAYOUT.shapes(found.weights)
    assert sum(values.nbytes for values in found.weights.values()) < len(coded) < 4 * 133_400


def test_a_seed_decides_the_bytes_and_torchs_own_threads_and_generator_do_not() -> None:
    array, before = phantom(SHAPE), torch.get_num_threads()
    first = encode_part(array)
    torch.set_num_threads(3)
    torch.manual_seed(99)
    try:
        again = encode_part(array)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert first == again
    assert first != encode_part(array, seed=1)


def test_seconds_end_a_training() -> None:
    array = phantom(SHAPE)
    coded = SirenMRI(hidden=16, seconds=0.05).encode(array)
    assert decode_part(coded, array).shape == array.shape


DECODE = """
import sys, zlib
from pathlib import Path
import numpy as np
from medroi import MedROI
for path in sys.argv[1:]:
    array = MedROI().decode(Path(path).read_bytes())
    print(array.dtype.str, zlib.crc32(array.tobytes()))
assert "torch" not in sys.modules
"""
MACHINES = {
    "one thread": {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    "two threads": {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"},
    "an old processor": {"OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_NUM_THREADS": "1"},
    "numpy without vectors": {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512_SKX"},
}


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Files of streams and what this process decodes."""
    folder, found = tmp_path_factory.mktemp("streams"), {}
    for number, (dtype, settings) in enumerate(
        [("<i2", {}), (">f4", {}), ("<f8", {"hidden": 256, "layers": 3, "bits": 10})]
    ):
        codec = medroi(**{"steps": 40, **settings})
        path = folder / f"{number}.medroi"
        path.write_bytes(codec.encode(phantom((16, 18, 20)).astype(dtype)))
        found[str(path)] = codec.decode(path.read_bytes())
    return found


@pytest.mark.parametrize("machine", MACHINES)
def test_every_machine_decodes_the_same_bits_without_torch(streams, machine: str) -> None:
    script = DECODE.replace("import numpy", "import zlib, numpy")
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *streams],
        env={**os.environ, **MACHINES[machine]},
        capture_output=True,
        text=True,
        check=True,
    )
    import zlib

    expected = [f"{a.dtype.str} {zlib.crc32(a.tobytes())}" for a in streams.values()]
    assert ran.stdout.split("\n")[:-1] == expected


@pytest.mark.parametrize("threads", [1, 2])
def test_training_with_any_threads_gives_a_stream_that_decodes(threads: int) -> None:
    array = phantom(SHAPE)
    codec = medroi(threads=threads)
    assert codec.decode(codec.encode(array)).shape == SHAPE


def save_checkpoint(path: Path, prefix: str = "") -> dict[str, np.ndarray]:
    tensors = recipe_tensors("sirenmri")
    torch.save({prefix + k: torch.from_numpy(v) for k, v in tensors.items()}, path)
    return tensors


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_public_checkpoint_is_stored_as_it_is(tmp_path: Path, prefix: str) -> None:
    tensors = save_checkpoint(tmp_path / "best_model.pt", prefix)
    array = phantom((5, 7, 6))
    codec = SirenMRI("faithful", steps=0, weights=tmp_path / "best_model.pt")
    coded = codec.encode(array)
    kept = stored.unpack(memoryview(coded), 3)
    assert all(np.array_equal(kept.weights[name], tensors[name]) for name in tensors)
    made = network.Siren(Architecture(3))
    network.put_tensors(made, tensors)
    from medroi.inner.neural.sirenmri import coordinates

    with torch.no_grad():
        out = made(torch.from_numpy(coordinates.grid(array.shape))).numpy().reshape(array.shape)
    expected = array.min() + np.ptp(array) * np.clip(out.astype(np.float64), 0, 1)
    assert np.abs(decode_part(coded, array) - expected).max() < 0.51


def test_a_configuration_names_a_checkpoint_by_its_hash(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "best_model.pt")
    codec = SirenMRI("faithful", steps=0, weights=tmp_path / "best_model.pt")
    config = json.loads(json.dumps(codec.config()))
    assert config["weights"] == weights.hash_of(recipe_tensors("sirenmri")).hex()
    del config["id"]
    array = phantom((5, 7, 6))
    assert SirenMRI(**config).encode(array) == codec.encode(array)
    with pytest.raises(errors.InvalidArgument, match=r"pathlib\.Path"):
        SirenMRI("faithful", weights=str(tmp_path / "best_model.pt"))
    with pytest.raises(errors.InvalidArgument, match="hidden and layers"):
        SirenMRI(hidden=64, weights=tmp_path / "best_model.pt").encode(array)


def test_settings_survive_json_and_pickle() -> None:
    codec = medroi(seed=5, seconds=2.5)
    assert MedROI.from_config(json.loads(json.dumps(codec.get_config()))) == codec
    assert pickle.loads(pickle.dumps(codec)) == codec


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"setting": "slow"}, "faithful"),
        ({"setting": "faithful", "hidden": 64}, "published setting"),
        ({"hidden": 4}, "8 to 512"),
        ({"bits": 8.5}, "whole number"),
        ({"steps": -1}, "steps"),
        ({"seconds": 0}, "seconds"),
        ({"seed": -1}, "seed"),
        ({"width": 3}, "no setting width"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=message):
        MedROI({"id": "sirenmri", **settings})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    array = phantom(SHAPE).astype("<f4")
    array[3, 4, 5] = bad
    with pytest.raises(errors.InvalidArgument, match="use a lossless inner codec"):
        medroi().encode(array)


@pytest.mark.parametrize("dtype", ["?", "<c8"])
def test_elements_that_are_no_real_numbers_are_refused(dtype: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="cannot code elements"):
        medroi().encode(phantom(SHAPE).astype(dtype))


def test_a_device_that_is_not_there_is_refused() -> None:
    device = "mps" if torch.cuda.is_available() else "cuda"
    with pytest.raises(errors.InvalidArgument, match=f"device='{device}'"):
        medroi(device=device).encode(phantom(SHAPE))


def test_a_training_that_diverged_is_refused() -> None:
    with pytest.raises(errors.InvalidArgument, match="lower learning_rate"):
        encode_part(phantom(SHAPE), learning_rate=1.0, hidden=64, layers=4, steps=200)


@pytest.fixture(scope="module")
def short_stream() -> bytes:
    return MedROI({"id": "sirenmri", "hidden": 8, "layers": 1, "steps": 2}).encode(phantom())


def test_every_prefix_of_a_stream_is_refused(short_stream: bytes) -> None:
    assert inspect(short_stream).inner == "sirenmri"
    for stop in range(len(short_stream)):
        with pytest.raises(errors.CorruptStream):
            MedROI().decode(short_stream[:stop])


def test_every_flipped_bit_of_a_stream_is_refused(short_stream: bytes) -> None:
    for place in range(8 * len(short_stream)):
        broken = bytearray(short_stream)
        broken[place // 8] ^= 1 << place % 8
        with pytest.raises(errors.MedROIError):
            MedROI().decode(bytes(broken))


@pytest.mark.parametrize("setting", ["symbols", "float32"])
def test_no_change_behind_the_checksums_gives_another_error_than_ours(setting: str) -> None:
    array = phantom((4, 5, 6))
    if setting == "symbols":
        coded = encode_part(array, hidden=8, layers=1, steps=2)
    else:
        fast = stored.unpack(memoryview(encode_part(array, hidden=8, layers=1, steps=2)), 3)
        tensors = {name: v.astype(np.float32) for name, v in fast.tensors().items()}
        from medroi.inner.neural import images
        from medroi.inner.neural.sirenmri import fit

        scale = images.scale_of("sirenmri", array)
        coded = stored.pack(fit.finish(tensors, fast.architecture, array, scale))
    for place in range(8 * len(coded)):
        broken = bytearray(coded)
        broken[place // 8] ^= 1 << place % 8
        try:
            decode_part(bytes(broken), array)
        except (errors.CorruptStream, errors.UnsupportedVersion):
            continue
    for stop in range(len(coded)):
        with pytest.raises(errors.CorruptStream):
            decode_part(coded[:stop], array)


def test_it_is_lossy_and_one_part() -> None:
    assert isinstance(SirenMRI(), InnerCodec) and not SirenMRI().lossless
    assert inspect(medroi().encode(phantom(SHAPE))).n_parts == 1
