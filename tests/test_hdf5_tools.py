"""Promises of the plugin in programs without medroi: Debian's HDF5 tools and h5py (libhdf5 1.10).

They need the Debian packages hdf5-tools and python3-h5py, and are marked so.
"""

from __future__ import annotations

import os
import subprocess

import h5py
import hosted_codec
import needs
import numpy as np
import pytest
from make_hdf5 import PLUGINS, blob, dataset

import medroi
from medroi.hdf5 import FILTER_ID, MedROIFilter

pytestmark = needs.h5tools

CHUNKS = (9, 16, 13)
SHAPE = (20, 33, 26)
DEBIAN_PYTHON = "/usr/bin/python3"


def run(*argv, check=True, plugins=True):
    environment = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")}
    if plugins:
        environment["HDF5_PLUGIN_PATH"] = str(PLUGINS)
    return subprocess.run(
        [str(word) for word in argv], env=environment, check=check, capture_output=True, text=True
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


def write(path, array, options, chunks=CHUNKS, **more):
    with h5py.File(path, "w") as file:
        dataset(file, array, chunks, options, **more)


def dumped(path, dtype, shape):
    """The values of a dataset as h5dump writes them."""
    target = path.with_suffix(".bin")
    run("h5dump", "-d", "/scan", "-b", "MEMORY", "-o", target, path)
    return np.fromfile(target, np.dtype(dtype).newbyteorder("=")).reshape(shape)


@pytest.mark.parametrize("inner", ["raw", "deflate", "zstd"])
@pytest.mark.parametrize("dtype", ["|u1", "<i2", ">i4", "<f4", ">f8"])
def test_h5dump_reads_what_h5py_wrote(path, inner, dtype):
    array = blob(SHAPE, dtype)
    write(path, array, MedROIFilter(inner))
    assert (dumped(path, dtype, SHAPE) == array).all()


@pytest.mark.parametrize("inner", ["jpeg2000", "predict3d"])
def test_h5dump_has_our_own_coders_and_openjpeg(path, inner):
    array = blob(SHAPE)
    write(path, array, MedROIFilter(inner))
    assert (dumped(path, "<i2", SHAPE) == array).all()


def test_h5dump_decodes_what_is_lossy_to_the_same_values(path):
    write(path, blob(SHAPE), MedROIFilter({"id": "wavelet3d", "max_error": 4}))
    with h5py.File(path) as file:
        assert (dumped(path, "<i2", SHAPE) == file["scan"][...]).all()


def test_tools_say_that_numcodecs_runs_in_python(path):
    write(path, blob(SHAPE), MedROIFilter({"id": "numcodecs", "codec": {"id": "lz4"}}))
    found = run("h5dump", "--enable-error-stack", "-d", "/scan", path, check=False)
    assert found.returncode != 0
    assert "inner codec 17 (numcodecs) is not part of this plugin" in found.stderr


def test_h5dump_and_h5ls_name_the_filter_and_its_parameters(path):
    options = MedROIFilter(padding=12345)
    write(path, blob((2, 1, 2, 7, 8, 9)), options, chunks=(2, 1, 2, 7, 8, 9))
    shown = run("h5dump", "-pH", path).stdout
    assert f"FILTER_ID {FILTER_ID}" in shown
    assert "COMMENT medroi" in shown
    words = shown[shown.index("PARAMS {") + 8 :].split("}")[0].split()
    # The user's 12, one on the element type, one per axis; h5dump prints signed numbers.
    assert len(words) == 19
    assert [int(word) % 2**32 for word in words[1:12]] == list(options.filter_options[1:])
    assert words[-6:] == ["2", "1", "2", "7", "8", "9"]
    assert f"medroi-{FILTER_ID}" in run("h5ls", "-v", path).stdout


def stored(path, name="scan"):
    with h5py.File(path) as file:
        made = file[name]
        n_chunks = made.id.get_num_chunks()
        infos = [made.id.get_chunk_info(index) for index in range(n_chunks)]
        return {
            info.chunk_offset: bytes(made.id.read_direct_chunk(info.chunk_offset)[1])
            for info in infos
        }


@pytest.mark.parametrize(
    "options",
    [
        MedROIFilter(),
        MedROIFilter({"id": "deflate", "level": 9}, threshold=61.5, padding=0),
        MedROIFilter({"id": "zstd", "level": -3, "shuffle": False}, background="auto"),
        MedROIFilter.lossless(slice_axis=-1),
    ],
    ids=lambda options: str(options.filter_options),
)
def test_h5repack_writes_the_same_chunks_as_h5py(path, options):
    array, plain, packed = blob(SHAPE), path.with_name("plain.h5"), path.with_name("packed.h5")
    write(path, array, options)
    with h5py.File(plain, "w") as file:
        file.create_dataset("scan", data=array, chunks=CHUNKS)
    run("h5repack", "-f", options.h5repack_option, plain, packed)
    assert stored(packed) == stored(path)


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        (f"UD={FILTER_ID},0,1,1", MedROIFilter()),
        (f"UD={FILTER_ID},0,3,1,327682,0", MedROIFilter.lossless()),
    ],
)
def test_the_lines_of_format_md_do_what_they_say(path, argument, options):
    array, plain, packed = blob(SHAPE), path.with_name("plain.h5"), path.with_name("packed.h5")
    write(path, array, options)
    with h5py.File(plain, "w") as file:
        file.create_dataset("scan", data=array, chunks=CHUNKS)
    run("h5repack", "-f", argument, plain, packed)
    assert stored(packed) == stored(path)


def test_h5repack_takes_its_own_output_and_other_chunks(path):
    array, second, third = blob(SHAPE), path.with_name("b.h5"), path.with_name("c.h5")
    write(path, array, MedROIFilter.lossless())
    run("h5repack", path, second)
    assert stored(second) == stored(path)
    run("h5repack", "-l", "scan:CHUNK=5x7x9", path, third)
    with h5py.File(third) as file:
        assert file["scan"].chunks == (5, 7, 9)
        assert file["scan"]._filters[str(FILTER_ID)][-3:] == (5, 7, 9)
    assert (dumped(third, "<i2", SHAPE) == array).all()
    assert run("h5diff", path, third).stdout == ""


def test_h5repack_takes_the_filter_away(path):
    array, plain = blob(SHAPE), path.with_name("plain.h5")
    write(path, array, MedROIFilter.lossless())
    run("h5repack", "-f", "NONE", path, plain)
    found = run("h5dump", "-d", "/scan", "-b", "MEMORY", "-o", path.with_suffix(".bin"), plain,
                plugins=False)  # fmt: skip
    assert found.returncode == 0
    assert (np.fromfile(path.with_suffix(".bin"), "=i2").reshape(SHAPE) == array).all()


def test_h5repack_says_what_it_cannot_do(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("scan", data=blob(SHAPE), chunks=CHUNKS, fillvalue=7)
    target = path.with_name("b.h5")
    option = MedROIFilter(background=0).h5repack_option
    found = run("h5repack", "--enable-error-stack", "-f", option, path, target)
    assert "background is 0 and the dataset's fill value 7" in found.stdout + found.stderr


def test_the_tools_say_which_bytes_are_corrupt(path):
    write(path, blob(SHAPE), MedROIFilter())
    with h5py.File(path, "r+") as file:
        stream = bytearray(file["scan"].id.read_direct_chunk((9, 16, 13))[1])
        stream[-1] ^= 1
        file["scan"].id.write_direct_chunk((9, 16, 13), bytes(stream))
    found = run("h5dump", "--enable-error-stack", "-d", "/scan", path, check=False)
    assert found.returncode != 0
    assert "medroi: corrupt stream: the CRC-32" in found.stderr
    found = run("h5repack", "-f", "NONE", path, path.with_name("b.h5"), check=False)
    assert found.returncode != 0


@pytest.fixture
def hosted():
    before = medroi.inner.TABLE
    hosted_codec.install()
    yield hosted_codec.NAME
    medroi.inner.TABLE = before


def test_tools_without_python_name_the_codec_they_lack(path, hosted):
    write(path, blob(SHAPE), MedROIFilter(hosted))
    found = run("h5dump", "--enable-error-stack", "-d", "/scan", path, check=False)
    assert found.returncode != 0
    assert f"inner codec {hosted_codec.ID} ({hosted})" in found.stderr
    assert "medroi unpack" in found.stderr
    # What needs no decoding goes on working.
    assert f"FILTER_ID {FILTER_ID}" in run("h5dump", "-pH", path).stdout


def test_without_the_plugin_the_tools_refuse(path):
    write(path, blob(SHAPE), MedROIFilter())
    assert run("h5dump", "-d", "/scan", path, check=False, plugins=False).returncode != 0


DEBIAN = """
import sys, h5py, numpy as np
assert h5py.version.hdf5_version.startswith("1.10"), h5py.version.hdf5_version
assert "medroi" not in sys.modules
source, target, words = sys.argv[1], sys.argv[2], tuple(map(int, sys.argv[3].split(",")))
with h5py.File(source) as file:
    array = file["scan"][...]
with h5py.File(target, "w") as file:
    file.create_dataset("scan", data=array, chunks=(9, 16, 13), compression=33054,
                        compression_opts=words)
    for more, text in [({"shuffle": True}, "is in front"), ({"fillvalue": 7}, "fill value 7")]:
        try:
            file.create_dataset("x", data=array, chunks=True, compression=33054,
                                compression_opts=words, **more)
        except (OSError, ValueError) as error:
            assert text in str(error), error
        else:
            raise SystemExit("not refused")
    file["scan"].id.write_direct_chunk((0, 0, 0), b"no stream")
    try:
        file["scan"][...]
    except OSError as error:
        assert "medroi: corrupt stream" in str(error), error
    else:
        raise SystemExit("not refused")
    file["scan"][...] = array
"""


@needs.debian_h5py
def test_debians_h5py_reads_and_writes_the_same_chunks(path):
    array, target = blob(SHAPE), path.with_name("b.h5")
    options = MedROIFilter(padding=1, background=0)
    write(path, array, options)
    words = ",".join(map(str, options.filter_options))
    run(DEBIAN_PYTHON, "-c", DEBIAN, path, target, words)
    assert stored(target) == stored(path)


def test_the_plugin_exports_three_names_and_links_no_hdf5_and_no_python():
    library = PLUGINS / "libh5medroi.so"
    names = run("nm", "-D", "--defined-only", library).stdout.split()[2::3]
    assert sorted(names) == [
        "H5PLget_plugin_info",
        "H5PLget_plugin_type",
        "medroi_h5_get_interface",
    ]
    needed = run("ldd", library).stdout
    assert "hdf5" not in needed.replace(str(library), "")
    assert "python" not in needed
