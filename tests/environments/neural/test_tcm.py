"""Inner codecs tcm and tcm_auxt: what they promise about bytes, arrays and errors."""

from __future__ import annotations

import dataclasses
import json
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import parity_recipe
import pytest
import tcm_weights
import torch
from test_tcm_parity import bits_of, hyper_bits

from medroi import MedROI, inner
from medroi.errors import CorruptStream, InnerUnavailable, InvalidArgument, VerificationFailed
from medroi.inner.neural import images, part, tables
from medroi.inner.neural.tcm.codec import Tcm, TcmAuxt
from medroi.inner.neural.tcm.network import loading, parts, symbols

CODECS = {"tcm": Tcm, "tcm_auxt": TcmAuxt}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Checkpoints of small networks by codec name."""
    folder = tmp_path_factory.mktemp("small")
    return {
        name: tcm_weights.write(tcm_weights.small_tensors(name), folder / f"{name}.npz")
        for name in CODECS
    }


@pytest.fixture(scope="session")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of the recipe."""
    folder = tmp_path_factory.mktemp("recipe")
    return tcm_weights.write(parity_recipe.recipe_tensors("tcm"), folder / "tcm.npz")


def scan(shape: tuple[int, ...] = (3, 40, 52), dtype: str = "<i2") -> np.ndarray:
    """Phantom slices of a few hundred levels around 100."""
    slices = [parity_recipe.phantom(f"s{k}", shape[-2:], 900, "s") for k in range(shape[0])]
    return (np.stack(slices) + 100).astype(dtype)


def round_trip(codec: inner.InnerCodec, volume: np.ndarray) -> tuple[bytes, np.ndarray]:
    coded = codec.plan(volume).encode(volume)
    out = np.empty_like(volume)
    codec.decode(memoryview(coded), out)
    return coded, out


@pytest.mark.parametrize("name", CODECS)
def test_a_slice_decodes_to_what_the_network_draws(name: str, small: dict[str, Path]) -> None:
    codec, volume = CODECS[name](small[name], "float32", verify=False), scan((1, 40, 52))
    _, decoded = round_trip(codec, volume)
    low, high = volume.min(), volume.max()
    wide = np.zeros((1, 256, 256))
    wide[:, 108:148, 102:154] = (volume - low) / (high - low)
    networks = codec.networks()
    found, _ = symbols.find_symbols(networks, wide)
    coded = [
        (networks.hyper_tables.encode(s.hyper, symbols.rows_of_hyper(s.hyper.shape)), s)
        for s in found
    ]
    pairs = [
        (memoryview(hyper), memoryview(tables.gaussian_tables().encode(s.latents, s.rows)))
        for hyper, s in coded
    ]
    nothing = symbols.near.Near(np.zeros(0, np.int64), np.zeros(0, np.int32))
    _, latents = symbols.read_latents(networks, pairs, (256, 256), nothing)
    drawn = symbols.draw(networks, latents)[:, 108:148, 102:154]
    assert np.array_equal(decoded, np.rint(low + drawn * (high - low)))
    assert len(np.unique(decoded)) > 20


@pytest.mark.parametrize("dtype", [">i2", "<f4"])
def test_every_real_dtype_comes_back_as_itself(dtype: str, small: dict[str, Path]) -> None:
    volume = np.minimum(scan((1, 9, 11), "<i4"), 255).astype(dtype)
    codec = MedROI(inner=Tcm(small["tcm"], "float32", verify=False), threshold=None)
    decoded = codec.decode(codec.encode(volume))
    assert decoded.dtype == volume.dtype and decoded.shape == volume.shape
    assert volume.min() <= decoded.min() and decoded.max() <= volume.max()


@pytest.mark.parametrize("shape", [(1, 1, 1), (256, 257), (13,), (2, 1, 3, 4)])
def test_sides_of_any_size(shape: tuple[int, ...], small: dict[str, Path]) -> None:
    volume = np.arange(1, 1 + np.prod(shape), dtype=np.int16).reshape(shape)
    codec = MedROI(inner=Tcm(small["tcm"], "float32", verify=False), threshold=None)
    decoded = codec.decode(codec.encode(volume))
    assert decoded.shape == shape
    if volume.size == 1:
        assert decoded == volume  # a constant region has its value as offset


def test_parts_decode_alone(small: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    import zarr

    from medroi.zarr import MedROICodec

    volume = scan((3, 20, 24))
    codec = Tcm(small["tcm"], "float32", verify=False, part_slices=2)
    serializer = MedROICodec(inner=codec, threshold=None)
    stored = zarr.create_array(
        {}, shape=volume.shape, dtype=volume.dtype, chunks=volume.shape,
        serializer=serializer, compressors=None,
    )  # fmt: skip
    stored[...] = volume
    whole = stored[...]
    drawn: list[int] = []
    draw = symbols.draw
    monkeypatch.setattr(symbols, "draw", lambda n, lat: drawn.append(len(lat)) or draw(n, lat))
    assert np.array_equal(stored[1:2], whole[1:2])
    assert drawn == [2]
    assert np.array_equal(stored[2, 3:9, 5:7], whole[2, 3:9, 5:7])
    assert drawn == [2, 1]


class ScalesSeen:
    """A latent model that keeps the scales it gives."""

    def __init__(self, model: Any) -> None:
        self._model, self.scales = model, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def describe(self, *args: Any) -> Any:
        means, scales, support = self._model.describe(*args)
        self.scales.append(scales.numpy())
        return means, scales, support


def test_real_bytes_do_not_exceed_the_likelihoods(recipe: Path, head_volume: np.ndarray) -> None:
    crop = np.ascontiguousarray(head_volume[20:21, 10:90, 10:70])
    codec = Tcm(recipe, "float32")
    model = ScalesSeen(codec.networks().model)
    networks = dataclasses.replace(codec.networks(), model=model)
    scale = images.scale_of("tcm", crop)
    coded = parts.write(networks, crop, scale, 128)
    values = images.pad(images.to_slices(crop, scale), parts.frame_of(crop.shape, 128))
    found, _ = symbols.find_symbols(codec.networks(), values)
    scales = np.concatenate(model.scales, axis=1)
    estimate = sum(bits_of(s.latents, each) for s, each in zip(found, scales))
    tensors = dict(np.load(recipe))
    estimate += sum(hyper_bits(tensors, s.hyper) for s in found)
    assert sum(map(len, coded.sections)) * 8 <= 1.02 * estimate


@pytest.mark.parametrize("model", CODECS)
def test_likely_symbols_cost_what_the_likelihoods_say(model: str) -> None:
    facts = np.load(parity_recipe.PARITY / f"{model}.npz")
    rows = facts["sq/scale_index"].astype(np.uint16)
    rng = np.random.default_rng(1)
    # Deviations between those of the rows, each coded under the row that the rule gives it.
    scales = tables.scale_edges()[rows] * np.exp(
        -rng.uniform(0, np.log(256 / 0.11) / 63, rows.shape)
    )
    scales[rows == 0] = 0.11
    drawn = np.rint(rng.normal(0, scales)).astype(np.int32)
    nbytes = len(tables.gaussian_tables().encode(drawn, rows))
    assert nbytes * 8 == pytest.approx(bits_of(drawn, scales), rel=0.02)


@pytest.mark.parametrize("model", CODECS)
def test_published_symbols_cost_at_most_the_likelihoods(model: str) -> None:
    facts = np.load(parity_recipe.PARITY / f"{model}.npz")
    for case in ("pad", "sq"):
        found = facts[f"{case}/y_symbols"].astype(np.int32)
        nbytes = len(tables.gaussian_tables().encode(found, facts[f"{case}/scale_index"]))
        # Less, because the published likelihood charges 30 bits for every unlikely symbol.
        assert 0.9 < nbytes * 8 / facts[f"{case}/y_bits"] <= 1.02


OTHER_PROCESS = """
    import sys
    import numpy as np
    import torch
    torch.set_num_threads(int(sys.argv[2]))
    torch.backends.mkldnn.enabled = sys.argv[3] == "with"
    from medroi import MedROI
    folder = sys.argv[1]
    for name in ("double", "single"):
        coded = open(f"{folder}/{name}.medroi", "rb").read()
        np.save(f"{folder}/{name}-{sys.argv[2]}.npy", MedROI().decode(coded))
"""


def test_other_threads_and_libraries_decode_the_same(
    small: dict[str, Path], tmp_path: Path, head_volume: np.ndarray
) -> None:
    volume = np.ascontiguousarray(head_volume[20:21, 10:90, 10:70], np.float32)
    torch.set_num_threads(2)
    written = {}
    for name, precision in (("double", "float64"), ("single", "float32")):
        codec = MedROI(inner=Tcm(small["tcm"], precision, verify=False), threshold=None)
        coded = codec.encode(volume)
        (tmp_path / f"{name}.medroi").write_bytes(coded)
        written[name] = codec.decode(coded)
    for threads, onednn in (("1", "without"), ("2", "with")):
        arguments = [tmp_path, threads, onednn]
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(OTHER_PROCESS), *map(str, arguments)],
            check=True,
            env={
                "MEDROI_WEIGHTS": str(small["tcm"]),
                "MEDROI_TRUST": "tcm",
                "PYTHONPATH": ":".join(sys.path),
            },
        )
        assert np.array_equal(np.load(tmp_path / f"double-{threads}.npy"), written["double"])
        span = float(volume.max() - volume.min())
        apart = np.abs(np.load(tmp_path / f"single-{threads}.npy") - written["single"])
        assert apart.max() <= 1e-4 * span


def test_bytes_are_the_same_for_any_number_of_threads(small: dict[str, Path]) -> None:
    codec, volume = Tcm(small["tcm"], verify=False), scan((1, 30, 30))
    alone = codec.plan(volume).encode(volume)
    torch.set_num_threads(2)
    assert codec.plan(volume).encode(volume) == alone


def test_a_zarr_array_and_an_hdf5_dataset(
    recipe: Path, tmp_path: Path, head_volume: np.ndarray
) -> None:
    import h5py
    import zarr

    from medroi.hdf5 import MedROIFilter
    from medroi.zarr import MedROICodec

    crop = np.ascontiguousarray(head_volume[20:21, 10:80, 10:70])
    codec = Tcm(recipe, "float32", verify=False)
    expected = round_trip(codec, crop)[1]
    options: dict[str, Any] = {"inner": codec, "threshold": None}
    stored = zarr.create_array(
        tmp_path / "scan.zarr", shape=crop.shape, dtype=crop.dtype, chunks=crop.shape,
        serializer=MedROICodec(**options), compressors=None,
    )  # fmt: skip
    stored[...] = crop
    kept = json.loads((tmp_path / "scan.zarr" / "zarr.json").read_text())
    assert str(recipe) not in json.dumps(kept)
    assert np.array_equal(zarr.open(tmp_path / "scan.zarr")[...], expected)
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.create_dataset("scan", data=crop, chunks=crop.shape, **MedROIFilter(**options))
    with h5py.File(tmp_path / "scan.h5") as file:
        assert np.array_equal(file["scan"][...], expected)


def test_a_network_is_built_once(small: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    loading.networks.remembered.cache_clear()
    built: list[str] = []
    build = loading.build
    monkeypatch.setattr(loading, "build", lambda w, p, d: built.append(p) or build(w, p, d))
    codec = MedROI(inner=Tcm(small["tcm"], "float32", verify=False, part_slices=1), threshold=None)
    codec.decode(codec.encode(scan((2, 8, 8))))
    assert built == ["float32"]
    for precision in ("float64", "float32"):
        for name in CODECS:
            CODECS[name](small[name], precision).networks()
    assert loading.networks.remembered.cache_info().currsize == 2


def test_settings_survive_json_and_pickle(small: dict[str, Path]) -> None:
    codec = MedROI(inner=Tcm(small["tcm"], "float32"))
    config = json.loads(json.dumps(codec.get_config()))
    assert config["inner"]["weights"] == Tcm(small["tcm"]).weights_hash().hex()
    assert MedROI.from_config(config).get_config() == config
    assert pickle.loads(pickle.dumps(codec)).get_config() == config


# Bad input


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_refused(bad: float, small: dict[str, Path]) -> None:
    volume = scan((1, 8, 8), "<f4")
    volume[0, 3, 3] = bad
    with pytest.raises(InvalidArgument, match="NaN or infinite"):
        MedROI(inner=Tcm(small["tcm"]), threshold=None).encode(volume)


@pytest.mark.parametrize("dtype", ["|b1", "<c8"])
def test_elements_that_are_no_real_numbers_are_refused(dtype: str, small: dict[str, Path]) -> None:
    with pytest.raises(InvalidArgument, match="cannot code elements of dtype"):
        MedROI(inner=Tcm(small["tcm"]), threshold=None).encode(np.ones((2, 4, 4), dtype))


def test_cuda_that_is_not_there_is_refused(
    small: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InvalidArgument, match="no CUDA device"):
        MedROI(inner=Tcm(small["tcm"], device="cuda"), threshold=None).encode(scan((1, 8, 8)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": "weights.npz"}, "pathlib.Path"),
        ({"weights": 7}, "pathlib.Path"),
        ({"precision": "float16"}, "precision='float16'"),
        ({"verify": 1}, "verify=1"),
        ({"part_slices": 0}, "part_slices=0"),
        ({"device": "abacus"}, "device='abacus'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    settings: dict[str, Any], message: str, small: dict[str, Path]
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        MedROI(inner=Tcm(**{"weights": small["tcm"], **settings})).encode(scan((1, 8, 8)))


def test_weights_of_the_other_network_are_refused(small: dict[str, Path]) -> None:
    with pytest.raises(InvalidArgument, match=r"unknown tensor AuxT_dec\.0"):
        Tcm(small["tcm_auxt"]).config()
    with pytest.raises(InvalidArgument, match=r"misses tensor AuxT_dec\.0"):
        TcmAuxt(small["tcm"]).config()


def test_no_weights_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="no file of weights"):
        Tcm(tmp_path / "none.npz").config()
    np.savez(tmp_path / "odd.npz", a=np.zeros(3, np.float32))
    with pytest.raises(InvalidArgument, match="weights of another network"):
        Tcm(tmp_path / "odd.npz").config()


def test_public_checkpoints_load_in_every_wrapping(small: dict[str, Path], tmp_path: Path) -> None:
    tensors = {name: torch.from_numpy(t) for name, t in np.load(small["tcm"]).items()}
    old = {"matrices.": "_matrix", "biases.": "_bias", "factors.": "_factor"}
    renamed = {}
    for name, tensor in tensors.items():
        for today, before in old.items():
            if name.startswith("entropy_bottleneck."):
                name = name.replace(today, before)
        renamed[f"module.{name}"] = tensor
    rebuilt = {
        "module.entropy_bottleneck._offset": torch.zeros(0, dtype=torch.int32),
        "module.gaussian_conditional.scale_table": torch.zeros(64),
        "module.g_a.0.gdn.beta_reparam.lower_bound.bound": torch.zeros(1),
    }
    torch.save({"epoch": 1, "state_dict": renamed | rebuilt}, tmp_path / "public.pth.tar")
    assert Tcm(tmp_path / "public.pth.tar").config() == Tcm(small["tcm"]).config()


def test_a_stream_whose_weights_are_missing_names_them(
    small: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = Tcm(small["tcm"], "float32", verify=False)
    coded = codec.plan(scan((1, 8, 8))).encode(scan((1, 8, 8)))
    opened = part.unpack(memoryview(coded))
    other = dataclasses.replace(opened, weights_hash=bytes(range(16)))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("MEDROI_WEIGHTS", str(small["tcm"].parent))
    with pytest.raises(InnerUnavailable, match=bytes(range(16)).hex()):
        Tcm.decode(memoryview(part.pack(other)), np.empty((1, 8, 8), np.int16))
    with pytest.raises(CorruptStream, match=bytes(range(16)).hex()):
        codec.decode_here(memoryview(part.pack(other)), np.empty((1, 8, 8), np.int16))


@pytest.fixture(scope="module")
def coded_part(small: dict[str, Path]) -> part.Part:
    volume = scan((1, 8, 8))
    coded = Tcm(small["tcm"], "float32", verify=False).plan(volume).encode(volume)
    return part.unpack(memoryview(coded))


def decode(opened: part.Part) -> np.ndarray:
    out = np.empty((1, 8, 8), np.int16)
    Tcm.decode(memoryview(part.pack(opened)), out)
    return out


def test_a_cut_part_is_refused(coded_part: part.Part) -> None:
    packed = part.pack(coded_part)
    for nbytes in [*range(0, 200), *range(200, len(packed), 3989), len(packed) - 1]:
        with pytest.raises(CorruptStream):
            Tcm.decode(memoryview(packed[:nbytes]), np.empty((1, 8, 8), np.int16))


def test_damaged_sections_never_give_another_array(coded_part: part.Part) -> None:
    expected = decode(coded_part)
    refused = 0
    for number, section in enumerate(coded_part.sections):
        for flipped in (0, len(section) // 2, len(section) - 1):
            damaged = bytearray(section)
            damaged[flipped] ^= 0x15
            sections = list(coded_part.sections)
            sections[number] = bytes(damaged)
            try:
                found = decode(dataclasses.replace(coded_part, sections=tuple(sections)))
            except CorruptStream:
                refused += 1
            else:
                assert np.array_equal(found, expected)  # the last bits of a coder decide nothing
    assert refused >= 6


def test_parts_of_other_slices_or_codecs_are_refused(coded_part: part.Part) -> None:
    replace = dataclasses.replace
    settings = dict(coded_part.settings)
    for bad in (
        replace(coded_part, sections=coded_part.sections[:-2]),
        replace(coded_part, sections=(*coded_part.sections, b"", b"")),
        replace(coded_part, sections=()),
        replace(coded_part, symbols_crc=coded_part.symbols_crc ^ 1),
        replace(coded_part, settings=settings | {"multiple": 256}),
        replace(coded_part, settings=settings | {"precision": "float16"}),
        replace(coded_part, settings=settings | {"tables": 1}),
        replace(coded_part, settings={}),
    ):
        with pytest.raises(CorruptStream):
            decode(bad)
    with pytest.raises(CorruptStream):
        Tcm.decode(memoryview(part.pack(coded_part)), np.empty((1, 8, 8), bool))


class Unsteady(ScalesSeen):
    """A latent model that gives other scales when it is asked again."""

    def describe(self, *args: Any) -> Any:
        means, scales, support = super().describe(*args)
        again = len(self.scales) > 5
        return means, scales * (1.5 if again else 1.0), support


class OnEdges(ScalesSeen):
    """A latent model whose scales all lie beside edges between two rows."""

    side = 1.0

    def describe(self, *args: Any) -> Any:
        means, scales, support = super().describe(*args)
        edges = tables.scale_edges()[:-1]
        nearest = edges[np.minimum(np.searchsorted(edges, scales.numpy()), edges.size - 1)]
        return means, torch.from_numpy(nearest * (1 + self.side * 3e-7)), support


def test_scales_beside_an_edge_decode_the_same(
    small: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    codec, volume = Tcm(small["tcm"], "float32", verify=False), scan((1, 8, 8))
    model = OnEdges(codec.networks().model)
    networks = dataclasses.replace(codec.networks(), model=model)
    monkeypatch.setattr(Tcm, "networks", lambda self: networks)
    coded, decoded = round_trip(codec, volume)
    model.side = -1.0
    again = np.empty_like(volume)
    codec.decode(memoryview(coded), again)
    assert np.array_equal(again, decoded)


def test_a_stream_that_would_not_decode_is_not_written(
    small: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    codec, volume = Tcm(small["tcm"], "float32"), scan((1, 8, 8))
    networks = dataclasses.replace(codec.networks(), model=Unsteady(codec.networks().model))
    monkeypatch.setattr(Tcm, "networks", lambda self: networks)
    with pytest.raises(VerificationFailed, match="nothing was written"):
        codec.plan(volume).encode(volume)


def test_verification_leaves_the_settings_of_the_process(small: dict[str, Path]) -> None:
    torch.set_num_threads(2)
    codec, volume = Tcm(small["tcm"], "float32"), scan((1, 8, 8))
    codec.plan(volume).encode(volume)
    assert torch.get_num_threads() == 2
    assert torch.backends.mkldnn.enabled


def test_weights_that_give_nan_are_refused(small: dict[str, Path], tmp_path: Path) -> None:
    tensors = dict(np.load(small["tcm"]))
    tensors["g_a.9.weight"] = tensors["g_a.9.weight"] * np.float32(1e30)
    path = tcm_weights.write(tensors, tmp_path / "loud.npz")
    with pytest.raises(InvalidArgument, match="do not suit"):
        MedROI(inner=Tcm(path, verify=False), threshold=None).encode(scan((1, 8, 8)))


@pytest.mark.parametrize("name", CODECS)
def test_the_golden_part_decodes(name: str, small: dict[str, Path]) -> None:
    golden = np.load(Path(parity_recipe.__file__).parent / "golden" / "neural" / f"{name}.npz")
    decoded = np.empty_like(golden["decoded"])
    CODECS[name](small[name]).decode_here(memoryview(golden["part"].tobytes()), decoded)
    assert np.array_equal(decoded, golden["decoded"])
