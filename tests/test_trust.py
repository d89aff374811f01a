"""A stream does not choose the library that decodes it, nor how much memory that takes."""

from __future__ import annotations

import json
import os
import pickle
import resource
import subprocess
import sys
from pathlib import Path

import h5py
import needs
import numpy as np
import pytest
import zarr
from arrays import phantom, same_bits
from numcodecs import get_codec

import medroi.hdf5
from medroi import MedROI, errors
from medroi.codec import decode_selection
from medroi.inner import trust
from medroi.inner.numcodecs.table import KNOWN
from medroi.zarr import MedROICodec

ARRAY = phantom((8, 9, 10))
SPERR = {"id": "imagecodecs_sperr", "mode": "pwe", "level": 1.0}
# Coded by one library each; the last two are those that hostile bytes crash.
FOREIGN = {
    "heif": "heif",
    "blosc": "blosc",
    "imagecodecs_png": "imagecodecs_png",
    "imagecodecs_sperr": SPERR,
    "imagecodecs_tiff": "imagecodecs_tiff",
}
CRASHED = ("imagecodecs_sperr", "imagecodecs_sz3", "imagecodecs_zfp", "zfpy")
OWN = ("raw", "deflate", "zstd", "predict3d", "jpeg2000", {"id": "wavelet3d", "step": 1.0})


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDROI_TRUST", raising=False)
    monkeypatch.delenv("MEDROI_MAX_NBYTES", raising=False)
    monkeypatch.setattr(trust, "_written", trust._Written())


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch):
    """A stream as another process would have written it."""

    def write(inner, array: np.ndarray = ARRAY) -> bytes:
        with monkeypatch.context() as patched:
            patched.setattr(trust, "_written", trust._Written())
            return MedROI(inner, threshold=None).encode(array)

    return write


@pytest.mark.parametrize("library", [needs.inner(name) for name in FOREIGN])
def test_a_reader_of_another_codec_refuses_it_by_name(elsewhere, library: str) -> None:
    stream = elsewhere(FOREIGN[library])
    for reader in (MedROI(), MedROI("jpeg2000"), MedROI("imagecodecs_lz4"), MedROI("zlib")):
        with pytest.raises(errors.Untrusted, match=f"MEDROI_TRUST={library}"):
            reader.decode(stream)
    with pytest.raises(errors.Untrusted, match=library):
        list(_drive(decode_selection(shape=ARRAY.shape, dtype=ARRAY.dtype), stream))


def _drive(reading, stream: bytes):
    wanted = next(reading)
    while True:
        wanted = reading.send([np.frombuffer(stream[slice(*pair)], np.uint8) for pair in wanted])
        yield wanted


@pytest.mark.parametrize("library", [needs.inner(name) for name in FOREIGN])
def test_whom_somebody_trusts_may_decode(elsewhere, library: str, monkeypatch) -> None:
    stream = elsewhere(FOREIGN[library])
    expected = MedROI(trust=library).decode(stream)
    assert same_bits(MedROI(trust=["no_other", library]).decode(stream), expected)
    assert same_bits(pickle.loads(pickle.dumps(MedROI(trust=library))).decode(stream), expected)
    monkeypatch.setenv("MEDROI_TRUST", f"no_other, {library}")
    assert same_bits(MedROI().decode(stream), expected)


@pytest.mark.parametrize("library", [needs.inner(name) for name in FOREIGN])
def test_its_own_codec_decodes_unless_hostile_bytes_crash_it(elsewhere, library: str) -> None:
    reader, stream = MedROI(FOREIGN[library]), elsewhere(FOREIGN[library])
    if library in ("imagecodecs_sperr", "imagecodecs_tiff"):
        with pytest.raises(errors.Untrusted, match="did not write it"):
            reader.decode(stream)
    else:
        assert same_bits(reader.decode(stream), ARRAY)


@pytest.mark.parametrize("library", [needs.inner(name) for name in FOREIGN])
def test_what_this_process_wrote_it_may_read(library: str) -> None:
    stream = MedROI(FOREIGN[library], threshold=None).encode(ARRAY)
    decoded = MedROI().decode(stream)
    assert np.abs(decoded.astype(int) - ARRAY).max() <= 1
    broken = bytearray(stream)
    broken[-1] ^= 1
    with pytest.raises(errors.MedROIError):
        MedROI().decode(bytes(broken))


@pytest.mark.parametrize("inner", OWN, ids=str)
def test_our_own_codecs_are_always_read(elsewhere, inner) -> None:
    stream = elsewhere(inner)
    for reader in (MedROI(), MedROI("imagecodecs_png"), MedROI("heif")):
        assert np.abs(reader.decode(stream).astype(int) - ARRAY).max() <= 1


def test_libraries_that_crashed_are_not_trusted() -> None:
    assert not any(KNOWN[name].survives for name in CRASHED)


def test_a_configuration_cannot_trust_itself() -> None:
    assert not {"trust", "max_nbytes"} & set(MedROI(trust="heif", max_nbytes=9).get_config())
    for beside in ({"trust": "imagecodecs_sperr"}, {"max_nbytes": 1 << 60}):
        with pytest.raises(errors.InvalidArgument, match="no parameter"):
            get_codec({**MedROI().get_config(), **beside})
        with pytest.raises(errors.InvalidArgument, match="no parameter"):
            MedROICodec.from_dict({"name": "medroi", "configuration": beside})


@pytest.mark.parametrize("trusted", [3, [b"heif"], [None]])
def test_trust_is_in_names(trusted: object) -> None:
    with pytest.raises((errors.InvalidArgument, TypeError)):
        MedROI(trust=trusted)


def _only_file(folder: Path, name: str) -> Path:
    (found,) = (path for path in folder.rglob(name) if path.is_file())
    return found


@pytest.mark.parametrize("library", [needs.inner(name) for name in FOREIGN])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_plain_zarr_open_is_safe(elsewhere, tmp_path, zarr_format: int, library: str) -> None:
    options = {"compressors": MedROI()} if zarr_format == 2 else {"serializer": MedROICodec()}
    options |= {"compressors": None} if zarr_format == 3 else {}
    array = zarr.create_array(
        tmp_path, data=ARRAY, chunks=ARRAY.shape, zarr_format=zarr_format, **options
    )
    assert array.nchunks == 1
    chunk = _only_file(tmp_path, "0.0.0") if zarr_format == 2 else _only_file(tmp_path / "c", "0")
    chunk.write_bytes(elsewhere(FOREIGN[library]))
    for selection in (..., (slice(2, 3), slice(0, 4))):
        with pytest.raises(errors.Untrusted, match=library):
            zarr.open(str(tmp_path), mode="r")[selection]


@pytest.mark.parametrize("library", [needs.inner(name) for name in FOREIGN])
def test_a_plain_dataset_is_safe(elsewhere, tmp_path, library: str) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "a", data=ARRAY, chunks=ARRAY.shape, **medroi.hdf5.MedROIFilter("zstd")
        )
        dataset.id.write_direct_chunk((0, 0, 0), elsewhere(FOREIGN[library]))
    with h5py.File(path) as file:
        with pytest.raises(errors.Untrusted, match=library):
            _raise_again(lambda: medroi.hdf5.read(file["a"]))
        with pytest.raises(OSError, match=library):
            file["a"][...]


def _raise_again(run) -> None:
    """The plugin has no status of its own for it: it is an argument that is missing."""
    try:
        run()
    except errors.InvalidArgument as error:
        raise errors.Untrusted(str(error)) from error


@needs.imagecodecs
def test_a_dataset_of_a_crashing_library_is_read_with_trust(elsewhere, tmp_path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset(
            "a", data=ARRAY, chunks=ARRAY.shape, **medroi.hdf5.MedROIFilter(SPERR, threshold=None)
        )
        dataset.id.write_direct_chunk((0, 0, 0), elsewhere(SPERR))
        with pytest.raises(errors.InvalidArgument, match="did not write it"):
            medroi.hdf5.read(dataset)
        medroi.hdf5.MedROIFilter(SPERR, threshold=None, trust="imagecodecs_sperr")
        assert np.abs(medroi.hdf5.read(dataset).astype(int) - ARRAY).max() <= 1


# What 54 bytes are said to be coded as is as large as this.
BOMB_NBYTES = 1 << 26
DECODE_BOMBS = """
import json, resource, sys
import numpy as np
from medroi import MedROI, errors
grown = {}
for name in json.load(open(sys.argv[1] + "/names.json")):
    stream = open(f"{sys.argv[1]}/{name}", "rb").read()
    reader = MedROI(trust=name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        reader.decode(stream)
        grown[name] = "decoded"
    except errors.CorruptStream:
        grown[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps(grown))
"""


def test_a_bomb_takes_the_memory_of_its_header(tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parent / "fuzz"))
    import hosted

    small = np.arange(1, 28, dtype="<u2").reshape(3, 3, 3)
    numbers = np.zeros(BOMB_NBYTES // 2, "<u2")
    names = [name for name in KNOWN if KNOWN[name].survives and KNOWN[name].feed == 0]
    assert len(names) >= 18
    for name in names:
        stream = MedROI(name, threshold=None).encode(small)
        payload = stream[hosted.preamble_of(stream) :]
        head = payload[: 5 + int.from_bytes(payload[3:5], "little")]
        bomb = bytes(get_codec({"id": name}).encode(numbers))
        (tmp_path / name).write_bytes(hosted.with_payload(stream, head + bomb))
        assert len(bomb) < BOMB_NBYTES // 20
    (tmp_path / "names.json").write_text(json.dumps(names))
    command = [sys.executable, "-c", DECODE_BOMBS, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, check=True, text=True)
    grown_kb = json.loads(ran.stdout)
    assert set(grown_kb) == set(names)
    assert {name: kb for name, kb in grown_kb.items() if kb == "decoded" or kb > 30_000} == {}


def claims(shape: tuple[int, ...]) -> bytes:
    """A stream of 116 or so bytes that is background everywhere."""
    from write_golden import reseal

    stream = MedROI("raw").encode(np.zeros((4, 5, 6), "<i2"))
    return reseal(stream, *((22 + 2 * axis, "<h", size) for axis, size in enumerate(shape)))


def test_a_few_bytes_do_not_fill_the_memory(monkeypatch) -> None:
    stream = claims((1791, 1791, 1791))
    assert len(stream) == 116
    with pytest.raises(errors.CorruptStream, match=r"max_nbytes=11489913342 or set MEDROI_MAX"):
        MedROI().decode(stream)
    monkeypatch.setenv("MEDROI_MAX_NBYTES", "1000")
    with pytest.raises(errors.CorruptStream, match="limit of 1000"):
        MedROI().decode(claims((10, 10, 10)))
    assert MedROI(max_nbytes=2000).decode(claims((10, 10, 10))).shape == (10, 10, 10)
    monkeypatch.setenv("MEDROI_MAX_NBYTES", "much")
    with pytest.raises(errors.InvalidArgument, match="MEDROI_MAX_NBYTES='much'"):
        MedROI().decode(claims((10, 10, 10)))


def test_a_limit_is_refused_before_memory_is_taken() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(errors.CorruptStream, match="max_nbytes"):
        MedROI(max_nbytes=1 << 20).decode(claims((1000, 1000, 1000)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000


@pytest.mark.parametrize("limit", [-1, 1.5, True, "many"])
def test_a_limit_is_a_number_of_bytes(limit: object) -> None:
    with pytest.raises(errors.InvalidArgument, match="max_nbytes"):
        MedROI(max_nbytes=limit)


def test_memory_that_is_there_needs_no_limit() -> None:
    out = np.ones((10, 10, 10), "<i2")
    MedROI(max_nbytes=1).decode(claims((10, 10, 10)), out=out)
    assert not out.any()


def run_fuzzer(*arguments: str) -> subprocess.CompletedProcess:
    script = Path(__file__).parent / "fuzz" / "hosted.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False
    )


@needs.imagecodecs
@needs.pillow_heif
def test_a_short_run_of_the_fuzzer_finds_nothing() -> None:
    libraries = ["zlib", "zstd", "lz4", "blosc", "imagecodecs_png", "imagecodecs_lz4f", "heif"]
    ran = run_fuzzer("7", "20", *libraries)
    assert ran.returncode == 0, ran.stderr
    for library in libraries:
        assert f"{library}: " in ran.stdout


def test_the_fuzzer_notices_memory_that_was_not_written(monkeypatch, tmp_path) -> None:
    sys.path.insert(0, str(Path(__file__).parent / "fuzz"))
    import hosted

    calls = iter(range(1 << 20))
    answers = {True: b"same", False: None}

    def decode(_codec, _stream, _fill):
        number = next(calls)
        return answers[True] if number < 2 * len(hosted.seeds_of("zlib")) else bytes([number % 256])

    monkeypatch.setattr(hosted, "decode", decode)
    (tmp_path / "progress").write_bytes(bytes(16))
    with pytest.raises(SystemExit, match="happened to hold"):
        hosted.run_child("zlib", 5.0, 1, 0, str(tmp_path / "progress"))


HANG = """
import os, signal, sys, threading
import numpy as np
from medroi import MedROI
rng = np.random.default_rng(1)
array = rng.integers(0, 4000, (12, 64, 64)).astype("<u2")
codec, stop = MedROI.lossless("heif"), threading.Event()
def work():
    while not stop.is_set():
        codec.encode(array)
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
for _ in range(12):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        codec.encode(array[:1])
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        stop.set()
        sys.exit("a child did not return")
stop.set()
"""


@needs.pillow_heif
def test_a_child_forked_while_heif_encodes_goes_on() -> None:
    ran = subprocess.run([sys.executable, "-c", HANG], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_zarrs_spelling_of_a_codec_is_understood() -> None:
    for spelled, plain in (
        ({"name": "zstd", "configuration": {"level": 9}}, {"id": "zstd", "level": 9}),
        (
            {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
            {"id": "zstd", "level": 0},
        ),
        ({"name": "predict3d"}, "predict3d"),
        ({"name": "wavelet3d", "configuration": {"step": 2.0}}, {"id": "wavelet3d", "step": 2.0}),
        ({"name": "numcodecs.zlib", "configuration": {"level": 3}}, {"id": "zlib", "level": 3}),
        (zarr.codecs.ZstdCodec(level=5), {"id": "zstd", "level": 5}),
        (zarr.codecs.GzipCodec(level=5), {"id": "gzip", "level": 5}),
        (
            zarr.codecs.BloscCodec(cname="lz4", clevel=3, shuffle="bitshuffle", typesize=2),
            {"id": "blosc", "cname": "lz4", "clevel": 3, "shuffle": 2, "blocksize": 0},
        ),
    ):
        assert MedROI(spelled) == MedROI(plain)
        assert same_bits(
            MedROI(spelled).decode(MedROI(spelled).encode(ARRAY)),
            MedROI(plain).decode(MedROI(plain).encode(ARRAY)),
        )


@pytest.mark.parametrize(
    "config",
    [
        {"name": "zstd", "configuration": {"level": 3, "checksum": True}},
        {"name": "zstd", "level": 3},
        {"name": "zstd", "configuration": 3},
        {"name": 3},
        {"configuration": {"level": 3}},
        {"id": "zstd", "configuration": {"level": 3}},
    ],
    ids=str,
)
def test_what_is_no_spelling_is_refused(config) -> None:
    with pytest.raises(errors.InvalidArgument):
        MedROI(config)


def test_nothing_remembers_for_ever(monkeypatch) -> None:
    monkeypatch.setattr(trust, "_MAX_REMEMBERED", 4)
    written = trust._Written()
    written.note([bytes([number]) for number in range(9)])
    assert [written.has(memoryview(bytes([number]))) for number in range(9)] == [False] * 5 + [
        True
    ] * 4


def test_no_two_processes_share_their_digests() -> None:
    assert trust._Written()._key != trust._Written()._key
    assert os.environ.get("MEDROI_TRUST") is None
