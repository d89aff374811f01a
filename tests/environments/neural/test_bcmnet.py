"""Inner codec bcmnet, with PyTorch and the weights of the parity recipe."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import medroi
from medroi.errors import CorruptStream, InnerUnavailable, InvalidArgument, MedROIError
from medroi.inner.neural import part as neural_part
from medroi.inner.neural import weights as neural_weights
from medroi.inner.neural.bcmnet import slices_coder
from medroi.inner.neural.bcmnet.codec import LAYOUT, Bcmnet, decode_part

TESTS = Path(__file__).parents[2]
sys.path.insert(0, str(TESTS))

from bcmnet_volumes import CASES, volume, write_weights  # noqa: E402
from parity_recipe import recipe_tensors  # noqa: E402

GOLDEN = TESTS / "golden" / "neural" / "bcmnet.npz"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights"))


def coded_part(weights: Path, array: np.ndarray, **settings) -> bytes:
    codec = Bcmnet(weights, verify=False, **settings)
    return codec.plan(array).encode(array)


def decoded(coded: bytes, like: np.ndarray) -> np.ndarray:
    out = np.empty_like(like)
    Bcmnet.decode(memoryview(coded), out)
    return out


@pytest.mark.parametrize("name", CASES)
def test_every_type_and_shape_comes_back_bit_for_bit(weights, name):
    array = volume(name)
    assert decoded(coded_part(weights, array), array).tobytes() == array.tobytes()


@contextlib.contextmanager
def other_arithmetic(threads: int, onednn: bool):
    before = torch.get_num_threads(), torch._C._get_mkldnn_enabled()
    torch.set_num_threads(threads)
    torch._C._set_mkldnn_enabled(onednn)
    yield
    torch.set_num_threads(before[0])
    torch._C._set_mkldnn_enabled(before[1])


@pytest.mark.parametrize(("threads", "onednn"), [(2, True), (1, False), (2, False)])
def test_threads_and_libraries_change_neither_bytes_nor_voxels(weights, threads, onednn):
    array = volume("signed, big-endian")
    coded = coded_part(weights, array)
    with other_arithmetic(threads, onednn):
        assert coded_part(weights, array) == coded
        assert decoded(coded, array).tobytes() == array.tobytes()


def test_a_fresh_process_decodes(weights, tmp_path):
    array = volume("odd")
    np.save(tmp_path / "array.npy", array)
    (tmp_path / "part").write_bytes(coded_part(weights, array))
    script = (
        "import sys, numpy as np; from pathlib import Path; from medroi.inner import by_id\n"
        "array = np.load('array.npy'); out = np.empty_like(array)\n"
        "by_id(35).decode(memoryview(Path('part').read_bytes()), out)\n"
        "sys.exit(0 if out.tobytes() == array.tobytes() else 1)\n"
    )
    environment = os.environ | {"MEDROI_WEIGHTS": str(weights.parent), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)


def test_the_golden_part_decodes(weights):
    neural_weights.load(weights, LAYOUT)
    with np.load(GOLDEN) as golden:
        coded, array = golden["coded"].tobytes(), golden["array"]
    assert decoded(coded, array).tobytes() == array.tobytes()


@pytest.mark.parametrize("wrap", [lambda found: found, lambda found: {"network": found}])
def test_public_checkpoints_have_the_hash_of_their_tensors(weights, tmp_path, wrap):
    path = tmp_path / "public.pth"
    tensors = {name: torch.from_numpy(a) for name, a in recipe_tensors("bcmnet").items()}
    torch.save(wrap(tensors), path)
    assert Bcmnet(path).config()["weights"] == Bcmnet(weights).config()["weights"]


def test_a_stream_goes_through_the_codec_and_its_configuration(weights):
    scan = np.zeros((4, 12, 10), np.int16)
    scan[1:4, 2:9, 2:8] = volume("four axes").reshape(4, 9)[:3, :1, None] + 200
    codec = medroi.MedROI.lossless(inner=Bcmnet(weights, verify=False))
    stream = codec.encode(scan)
    config = json.loads(json.dumps(codec.get_config()))
    assert config["inner"]["weights"] == Bcmnet(weights).config()["weights"]
    again = medroi.MedROI.from_config(config)
    assert again.decode(stream).tobytes() == scan.tobytes()
    for place in range(len(stream)):
        broken = bytearray(stream)
        broken[place] ^= 1 << place % 8
        with pytest.raises(MedROIError):
            again.decode(bytes(broken))


def test_every_prefix_and_every_excess_is_refused(weights):
    array = volume("signed bytes")
    coded = coded_part(weights, array)
    for stop in range(len(coded)):
        with pytest.raises(CorruptStream):
            decoded(coded[:stop], array)
    with pytest.raises(CorruptStream):
        decoded(coded + b"\0", array)


def test_flipped_bytes_of_residuals_never_change_a_voxel_unnoticed(weights):
    array = volume("signed bytes")
    coded = coded_part(weights, array)
    found = neural_weights.load(weights, LAYOUT)
    start = len(coded) - sum(map(len, neural_part.unpack(memoryview(coded)).sections[2:]))
    assert len(coded) - start > 20
    unnoticed = 0
    for place in range(start, len(coded), 3):
        broken = bytearray(coded)
        broken[place] ^= 1 << place % 8
        out = np.empty_like(array)
        with contextlib.suppress(CorruptStream):  # the last bits of a section say nothing
            decode_part(neural_part.unpack(memoryview(broken)), found, out)
            assert out.tobytes() == array.tobytes()
            unnoticed += 1
    assert unnoticed <= 6


def replaced(coded: bytes, **changes) -> neural_part.Part:
    found = neural_part.unpack(memoryview(coded))
    fields = {name: getattr(found, name) for name in found.__dataclass_fields__}
    return neural_part.Part(**(fields | changes))


def test_settings_sections_and_offsets_of_others_are_refused(weights):
    array = volume("signed bytes")
    coded = coded_part(weights, array)
    good = neural_part.unpack(memoryview(coded))
    found = neural_weights.load(weights, LAYOUT)
    hostile = [
        {"settings": {}},
        {"settings": good.settings | {"low": -1}},
        {"settings": good.settings | {"low": 300, "high": 200}},
        {"settings": good.settings | {"high": 65536}},
        {"settings": good.settings | {"high": True}},
        {"settings": good.settings | {"bit_depth": 17}},
        {"sections": good.sections[:-1]},
        {"sections": (*good.sections, b"")},
        {"sections": (b"\0", *good.sections[1:])},
        {"symbols_crc": good.symbols_crc ^ 1},
        {"offset": good.offset + 0.5},
        {"offset": -500.0},
        {"weights_hash": bytes(16)},
    ]
    for change in hostile:
        with pytest.raises(CorruptStream):
            decode_part(replaced(coded, **change), found, np.empty_like(array))


def test_weights_that_are_not_here_are_named(weights):
    array = volume("one voxel")
    stored = neural_part.pack(replaced(coded_part(weights, array), weights_hash=b"\x12" * 16))
    with pytest.raises(InnerUnavailable, match="12" * 16):
        decoded(stored, array)


def test_weights_without_sense_are_refused(tmp_path):
    tensors = {name: a * np.float32(1e20) for name, a in recipe_tensors("bcmnet").items()}
    np.savez(tmp_path / "huge.npz", **tensors)
    with pytest.raises(InvalidArgument, match="not finite"):
        coded_part(tmp_path / "huge.npz", volume("odd"))


def test_verifying_decodes_and_refuses_what_does_not_come_back(weights, monkeypatch):
    array = volume("one slice")
    codec, good = Bcmnet(weights), slices_coder.decode
    with other_arithmetic(2, True):
        coded = codec.encode(array)
        assert torch.get_num_threads() == 2
        assert decoded(coded, array).tobytes() == array.tobytes()
        monkeypatch.setattr(slices_coder, "decode", lambda *given: good(*given) + 1)
        with pytest.raises(CorruptStream, match="does not decode"):
            codec.encode(array)
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.linspace(0, 1, 60).reshape(3, 4, 5) ** 2, "16 bits"),
        (np.arange(70000, dtype=np.int32).reshape(7, 100, 100) ** 2 % 99991, "16 bits"),
        (np.full((2, 3, 4), np.nan), "16 bits"),
    ],
)
def test_what_is_not_16_bits_is_refused_with_an_alternative(weights, array, reason):
    with pytest.raises(InvalidArgument, match=rf"{reason}.*predict3d"):
        coded_part(weights, array)
