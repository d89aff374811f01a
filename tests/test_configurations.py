"""Configurations are hostile too: one rule for types, one identity, and newer versions are read."""

from __future__ import annotations

import inspect
import json
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from arrays import phantom
from dask.base import tokenize
from numcodecs.registry import get_codec

import medroi
from medroi import MedROI, errors
from medroi.cli import main
from medroi.hdf5 import MedROIFilter
from medroi.roi import find_region
from medroi.zarr import MedROICodec

CLASSES = [MedROI, MedROICodec, MedROIFilter]
VOLUME = phantom((20, 33, 26))


def config_of(codec: Any) -> dict[str, Any]:
    """The parameters of any of the codecs."""
    if isinstance(codec, MedROICodec):
        return dict(codec.to_dict()["configuration"])
    return {key: value for key, value in codec.get_config().items() if key != "id"}


def from_config(kind: Any, config: dict[str, Any]) -> Any:
    """Any of the codecs from its parameters, after a way through JSON."""
    config = json.loads(json.dumps(config))
    if kind is MedROICodec:
        return MedROICodec.from_dict({"name": "medroi", "configuration": config})
    return kind.from_config({"id": "medroi", **config})


SAME: dict[str, list[dict[str, Any]]] = {
    "background": [
        {"background": value}
        for value in (0, 0.0, False, np.int8(0), np.float32(0), np.False_, np.array(0))
    ],
    "background 1": [{"background": value} for value in (1, 1.0, True, np.uint64(1), np.True_)],
    "large background": [{"background": value} for value in (2**63, 2.0**63, np.uint64(2**63))],
    "nan": [{"background": v} for v in (np.nan, float("nan"), np.float16("nan"), "NaN")],
    "infinity": [{"background": value} for value in (np.inf, np.float32("inf"), "Infinity")],
    "threshold": [{"threshold": value} for value in (50, 50.0, np.int16(50), np.float64(50))],
    "threshold infinity": [{"threshold": value} for value in (-np.inf, "-Infinity")],
    "padding": [{"padding": value} for value in (3, 3.0, np.uint8(3), np.float32(3))],
    "max_miss_rate": [{"max_miss_rate": value} for value in (0, 0.0, np.float32(0))],
    "axes": [{"axes": value} for value in ((0, 1), [0.0, 1], np.array([0, 1]), range(2))],
    "slice_axis": [{"slice_axis": value} for value in (1, 1.0, np.int64(1))],
    "level": [{"inner": {"id": "zstd", "level": v}} for v in (3, 3.0, np.int8(3))] + [{}],
    "flag": [{"inner": {"id": "zstd", "shuffle": value}} for value in (False, np.False_)],
    "rate": [{"inner": {"id": "wavelet3d", "rate": v}} for v in (20, 20.0, np.float32(20))],
    "roi": [{"roi": value} for value in ("mask", "hull", np.str_("hull"))],
    "trust and threads": [{}, {"trust": "sperr"}],
}


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("name", SAME)
def test_every_spelling_of_an_option_is_one_configuration(kind: Any, name: str) -> None:
    codecs = [kind(**options) for options in SAME[name]]
    codecs += [from_config(kind, config_of(codec)) for codec in codecs]
    codecs += [pickle.loads(pickle.dumps(codec)) for codec in codecs]
    assert len(set(codecs)) == 1
    assert len({tokenize(codec) for codec in codecs}) == 1
    assert len({json.dumps(config_of(codec)) for codec in codecs}) == 1
    assert len({repr(codec) for codec in codecs}) == 1


def test_minus_zero_has_other_bits_than_zero() -> None:
    minus, plus = MedROI(background=-0.0), MedROI(background=0.0)
    assert minus != plus
    array = np.zeros((5, 6, 7))
    assert np.signbit(minus.decode(minus.encode(array - 0.0 * -1))).sum() == 0
    array[1:3] = -0.0
    assert np.signbit(minus.decode(minus.encode(array))).sum() == 84


WRONG: list[dict[str, Any]] = [
    {"threshold": True},
    {"threshold": np.True_},
    {"threshold": "50"},
    {"threshold": [50]},
    {"threshold": 10**400},
    {"polarity": True},
    {"polarity": ["bright"]},
    {"roi": 1},
    {"roi": None},
    {"roi": np.array(["box", "mask"])},
    {"background": "0"},
    {"background": [0]},
    {"background": {}},
    {"padding": True},
    {"padding": "3"},
    {"padding": 3.5},
    {"padding": np.nan},
    {"padding": "NaN"},
    {"padding": None},
    {"max_miss_rate": True},
    {"max_miss_rate": "0"},
    {"max_miss_rate": np.nan},
    {"axes": [True, 0]},
    {"axes": ["0"]},
    {"axes": "012"},
    {"axes": 2},
    {"axes": True},
    {"axes": [0.5]},
    {"axes": [0, 0]},
    {"components": 0},
    {"slice_axis": True},
    {"slice_axis": "1"},
    {"slice_axis": 0.5},
    {"affine": [["1", 0, 0], [0, 1, 0], [0, 0, 1]]},
    {"affine": [[True, 0, 0], [0, 1, 0], [0, 0, 1]]},
    {"affine": 5},
    {"verify": "false"},
    {"verify": 1},
    {"verify": 0.0},
    {"verify": None},
    {"inner": {"id": "zstd", "level": True}},
    {"inner": {"id": "zstd", "level": "3"}},
    {"inner": {"id": "zstd", "level": 3.5}},
    {"inner": {"id": "zstd", "shuffle": 1}},
    {"inner": {"id": "zstd", "shuffle": "false"}},
    {"inner": {"id": "wavelet3d", "rate": True}},
    {"inner": {"id": "jpeg2000", "rate": "20"}},
    {"inner": True},
    {"inner": 5},
    {"inner": None},
    {"inner": {}},
    {"inner": {"id": 5}},
    {"inner": ["zstd"]},
]


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("options", WRONG, ids=str)
def test_wrong_types_are_refused_by_name(kind: Any, options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(errors.InvalidArgument) as caught:
        kind(**options)
    assert name in str(caught.value) or name == "inner"


@pytest.mark.parametrize("options", [{"threads": True}, {"threads": "2"}, {"threads": 1.5}])
@pytest.mark.parametrize("kind", CLASSES)
def test_the_readers_own_options_obey_the_rule(kind: Any, options: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidArgument, match="threads"):
        kind(**options)
    with pytest.raises(errors.InvalidArgument, match="max_nbytes"):
        kind(max_nbytes=True)


NEWER: list[dict[str, Any]] = [
    {"sharpness": 3},
    {"sharpness": {"deep": [1, None]}, "mask_margin_mm": 5},
    {"inner": {"id": "zstd", "level": 9, "window": "large"}},
    {"inner": {"id": "zstd", "window": 1}, "sharpness": None},
]


def names_in(newer: dict[str, Any]) -> list[str]:
    found = [name for name in newer if name != "inner"]
    return found + [name for name in newer.get("inner", {}) if name == "window"]


@pytest.mark.parametrize("newer", NEWER, ids=str)
@pytest.mark.parametrize("kind", [MedROI, MedROICodec])
def test_a_newer_configuration_is_kept_whole(kind: Any, newer: dict[str, Any]) -> None:
    codec = from_config(kind, newer)
    config = config_of(codec)
    for name, value in newer.items():
        assert config[name] == value if name != "inner" else config[name].items() >= value.items()
    for again in (from_config(kind, config), pickle.loads(pickle.dumps(codec))):
        assert again == codec
        assert hash(again) == hash(codec)
        assert tokenize(again) == tokenize(codec)
        assert config_of(again) == config
    assert codec != kind({"id": "zstd", "level": config["inner"]["level"]})


@pytest.mark.parametrize("newer", NEWER, ids=str)
def test_a_newer_codec_decodes_and_refuses_to_encode(newer: dict[str, Any]) -> None:
    stream = MedROI.lossless().encode(VOLUME)
    codec = get_codec({"id": "medroi", **newer})
    assert (codec.decode(stream) == VOLUME).all()
    with pytest.raises(errors.InvalidArgument, match="a newer version wrote it") as caught:
        codec.encode(VOLUME)
    assert all(name in str(caught.value) for name in names_in(newer))


@pytest.mark.parametrize("newer", NEWER, ids=str)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_array_of_a_newer_version_is_read_and_not_written(
    tmp_path: Path, zarr_format: int, newer: dict[str, Any]
) -> None:
    place = {
        2: {"compressors": MedROI.lossless(), "filters": None},
        3: {"serializer": MedROICodec.lossless(), "compressors": None},
    }[zarr_format]
    path = tmp_path / "scan.zarr"
    options = {"shape": VOLUME.shape, "dtype": VOLUME.dtype, "chunks": (9, 16, 13)}
    array = zarr.create_array(path, zarr_format=zarr_format, fill_value=0, **options, **place)
    array[...] = VOLUME
    metadata = path / {2: ".zarray", 3: "zarr.json"}[zarr_format]
    content = json.loads(metadata.read_text())
    written = content["compressor"] if zarr_format == 2 else content["codecs"][0]["configuration"]
    for name, value in newer.items():
        written[name] = {**written["inner"], **value} if name == "inner" else value
    metadata.write_text(json.dumps(content))
    opened = zarr.open_array(path)
    assert (opened[...] == VOLUME).all()
    assert (opened[3:12, 5, 4:9] == VOLUME[3:12, 5, 4:9]).all()
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with pytest.raises(errors.InvalidArgument) as caught:
        opened[0, 0, 0] = 7
    assert all(name in str(caught.value) for name in names_in(newer))
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before
    # What zarr itself writes keeps them.
    opened.attrs["seen"] = True
    opened.resize((25, 33, 26))
    assert all(name in metadata.read_text() for name in names_in(newer))
    assert (zarr.open_array(path)[:20] == VOLUME).all()


@pytest.mark.parametrize("newer", NEWER, ids=str)
def test_a_filter_is_for_writing_and_refuses_a_newer_configuration(newer: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidArgument, match="a newer version wrote it") as caught:
        from_config(MedROIFilter, newer)
    assert all(name in str(caught.value) for name in names_in(newer))


@pytest.mark.parametrize(
    "options",
    [{"affine": np.diag([2.0, 1, 1])}, {"verify": True}, {"threads": 2}, {"max_nbytes": 9}],
    ids=str,
)
def test_a_filter_refuses_what_its_parameters_cannot_hold(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(errors.InvalidArgument, match=f"{name}: .*no room"):
        MedROIFilter(**options)
    MedROIFilter(affine=None, verify=False, threads=1, max_nbytes=None)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_parameter_is_in_the_signature_and_in_the_documentation(kind: Any) -> None:
    parameters = inspect.signature(kind).parameters
    assert parameters == inspect.signature(MedROI).parameters
    for name, parameter in parameters.items():
        assert parameter.default is not inspect.Parameter.empty
        assert f"\n{name} : " in inspect.getdoc(kind)
    assert inspect.getdoc(kind).count("\nParameters\n") == 1
    config = config_of(kind())
    assert config.pop("inner")["id"] == parameters["inner"].default
    assert config == {name: parameters[name].default for name in config}


@pytest.mark.parametrize("kind", CLASSES)
def test_codecs_of_different_libraries_are_different(kind: Any) -> None:
    assert [kind() == other() for other in CLASSES] == [kind is other for other in CLASSES]
    assert tokenize(kind()) not in {tokenize(other()) for other in CLASSES if other is not kind}
    assert kind.fit(VOLUME).note == ""
    assert kind.fit(np.zeros((4, 5, 6), "<i2")).note == MedROI.fit(np.zeros((4, 5, 6), "<i2")).note


def test_hull_is_read_as_mask_everywhere(tmp_path: Path, capsys: Any) -> None:
    stream = MedROI(roi="mask", threshold=50).encode(VOLUME)
    assert MedROI(roi="hull", threshold=50).encode(VOLUME) == stream
    assert medroi.inspect(stream).roi == "mask"
    for kind in CLASSES:
        assert kind(roi="hull") == kind(roi="mask")
        assert config_of(from_config(kind, {"roi": "hull"}))["roi"] == "mask"
    assert MedROIFilter(roi="hull").filter_options == MedROIFilter(roi="mask").filter_options
    assert find_region(VOLUME, roi="hull") == find_region(VOLUME, roi="mask")
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        made = MedROIFilter(roi="hull", threshold=50)
        file.create_dataset("scan", data=VOLUME, chunks=VOLUME.shape, **made)
        assert file["scan"].id.read_direct_chunk((0, 0, 0))[1] == stream


@pytest.mark.parametrize("roi", ["mask", "hull"])
def test_the_command_line_takes_both_names_and_says_mask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], roi: str
) -> None:
    import nibabel

    nibabel.save(nibabel.Nifti1Image(VOLUME, np.eye(4)), tmp_path / "scan.nii")
    packed = str(tmp_path / "scan.zarr")
    pack = ["pack", str(tmp_path / "scan.nii"), packed, "--roi", roi, "--threshold", "50"]
    assert main([*pack, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["roi"] == "mask"
    assert "hull" not in (tmp_path / "scan.zarr" / "zarr.json").read_text()
    assert main(["info", packed]) == 0
    said = capsys.readouterr().out
    assert "mask" in said
    assert "hull" not in said
