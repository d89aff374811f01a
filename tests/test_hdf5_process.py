"""Promises about the process: registration on import, threads, and files left open at its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import hosted_codec
import numpy as np
import pytest
from make_hdf5 import FILTER_ID, blob, dataset

import medroi
from medroi import plugins
from medroi.hdf5 import MedROIFilter

TESTS = Path(__file__).parent
SHAPE, CHUNKS = (20, 33, 26), (9, 16, 13)


def run_python(script, *argv, check=True):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    environment.pop("HDF5_PLUGIN_PATH", None)
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, argv)],
        env=environment,
        check=check,
        capture_output=True,
        text=True,
        timeout=120,
    )


LEAVE = """
import sys
import h5py, medroi.hdf5, hosted_codec
from make_hdf5 import blob
hosted_codec.install()
inner = {"id": sys.argv[2]}
file = h5py.File(sys.argv[1], "w")
made = file.create_dataset("scan", shape=(20, 33, 26), chunks=(9, 16, 13), dtype="<i2",
                           **medroi.hdf5.MedROIFilter(inner))
made[...] = blob((20, 33, 26))
keep = [file, made]
"""


@pytest.fixture
def table():
    before = medroi.inner.TABLE
    hosted_codec.install()
    yield
    medroi.inner.TABLE = before


@pytest.mark.parametrize("inner", ["zstd", hosted_codec.NAME])
@pytest.mark.parametrize(
    "ending", ["", "sys.exit(3)", "raise RuntimeError", "del sys.modules['h5py']"]
)
def test_no_chunk_is_lost_when_a_program_ends_with_the_file_open(tmp_path, inner, ending, table):
    ended = run_python(LEAVE + ending, tmp_path / "a.h5", inner, check=False)
    assert "medroi:" not in ended.stderr
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["scan"].id.get_num_chunks() == 18
        assert (file["scan"][...] == blob(SHAPE)).all()


def test_a_chunk_that_cannot_be_written_at_the_end_is_said(tmp_path):
    script = LEAVE + ("hosted_codec.Hosted.encode = lambda self, part: 1 / 0\nmade[0, 0, 0] = 77\n")
    ended = run_python(script, tmp_path / "a.h5", hosted_codec.NAME, check=False)
    assert "medroi: an open HDF5 file could not be flushed: division by zero" in ended.stderr


def test_a_key_of_another_process_is_refused_for_writing_but_read(tmp_path, table):
    # Settings that no other test of this process uses: a key stands for settings, wherever made.
    unique = LEAVE.replace('{"id": sys.argv[2]}', '{"id": sys.argv[2], "plus": 93}')
    run_python(unique, tmp_path / "a.h5", hosted_codec.NAME)
    with h5py.File(tmp_path / "a.h5", "r+", rdcc_nbytes=0) as file:
        assert (file["scan"][...] == blob(SHAPE)).all()
        with pytest.raises((OSError, ValueError), match=r"call medroi\.hdf5\.MedROIFilter"):
            file["scan"][0, 0, 0] = 5
    MedROIFilter({"id": hosted_codec.NAME, "plus": 93})
    with h5py.File(tmp_path / "a.h5", "r+", rdcc_nbytes=0) as file:
        file["scan"][0, 0, 0] = 100
        assert file["scan"][0, 0, 0] == 100


FORKED = """
import os, sys
import h5py, medroi.hdf5, hosted_codec
from make_hdf5 import blob
hosted_codec.install()
array = blob((20, 33, 26))
options = medroi.hdf5.MedROIFilter({"id": sys.argv[2], "plus": 9})

def turn(path):
    with h5py.File(path, "w", rdcc_nbytes=0) as file:
        made = file.create_dataset("scan", data=array, chunks=(9, 16, 13), **options)
        assert (made[...] == array).all()
        assert (medroi.hdf5.read(made, threads=2) == array).all()

if sys.argv[3] == "used":
    turn(sys.argv[1] + "/parent.h5")
child = os.fork()
if child == 0:
    turn(sys.argv[1] + "/child.h5")
    os._exit(17)
turn(sys.argv[1] + "/parent.h5")
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 17
"""


@pytest.mark.parametrize("before", ["used", "not used"])
def test_a_forked_child_codes_by_python_as_its_parent(tmp_path, before):
    run_python(FORKED, tmp_path, hosted_codec.NAME, before)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written["child.h5"] == written["parent.h5"]


def test_python_without_medroi_is_told_what_to_do(tmp_path):
    run_python(LEAVE, tmp_path / "a.h5", hosted_codec.NAME)
    script = """
import os, sys, h5py
os.environ["HDF5_PLUGIN_PATH"] = sys.argv[2]
h5py.h5pl.prepend(sys.argv[2].encode())
try:
    h5py.File(sys.argv[1])["scan"][...]
except OSError as error:
    print(error, "medroi" in sys.modules)
"""
    said = run_python(script, tmp_path / "a.h5", plugins.plugin_path()).stdout
    assert f"({hosted_codec.NAME}) is not part of this plugin" in said
    assert "import medroi.hdf5 there" in said
    assert said.rstrip().endswith("False")


ENDED = """
import atexit, sys

def last():
    try:
        made[...]
    except OSError as error:
        print(error)

atexit.register(last)  # runs after what is registered later
"""


def test_a_chunk_that_is_read_when_python_has_ended_is_refused(tmp_path):
    script = ENDED + LEAVE + "file.close()\nmade = h5py.File(sys.argv[1])['scan']\n"
    said = run_python(script, tmp_path / "a.h5", hosted_codec.NAME).stdout
    assert "runs in Python, which has ended: close the file" in said


def test_the_kind_of_what_python_raises_is_kept(tmp_path, table, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = dataset(file, blob(SHAPE), CHUNKS, MedROIFilter({"id": hosted_codec.NAME}))
        for kind, expected in [
            (medroi.errors.CorruptStream, medroi.errors.CorruptStream),
            (medroi.errors.UnsupportedVersion, medroi.errors.UnsupportedVersion),
            (medroi.errors.UnknownInner, medroi.errors.UnsupportedVersion),
            (medroi.errors.InnerUnavailable, medroi.errors.InnerUnavailable),
            (MemoryError, MemoryError),
            (KeyboardInterrupt, medroi.errors.InvalidArgument),
        ]:

            def fail(cls, coded, out, kind=kind):
                raise kind("the model says no")

            monkeypatch.setattr(hosted_codec.Hosted, "decode", classmethod(fail))
            with pytest.raises(expected, match="the model says no"):
                medroi.hdf5.read(made, threads=1)


@pytest.mark.parametrize("answer", [lambda self, region: 1 / 0, lambda self, region: -3])
def test_slabs_of_no_size_are_refused(tmp_path, table, monkeypatch, answer):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        options = MedROIFilter({"id": hosted_codec.NAME})
        made = file.create_dataset("scan", SHAPE, "<i2", chunks=CHUNKS, **options)
        monkeypatch.setattr(hosted_codec.Hosted, "part_extent", answer)
        with pytest.raises(medroi.errors.InvalidArgument, match="cannot tell how many slices"):
            medroi.hdf5.write(made, blob(SHAPE), threads=1)
    with pytest.raises((ZeroDivisionError, medroi.errors.InvalidArgument)):
        medroi.MedROI({"id": hosted_codec.NAME}).encode(blob(SHAPE))


def test_importing_medroi_is_enough_where_h5py_is_loaded(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset(file, blob(SHAPE), CHUNKS, MedROIFilter())
    script = """
import sys, h5py, medroi
assert "medroi.hdf5" not in sys.modules
with h5py.File(sys.argv[1]) as file:
    print(int(file["scan"][...].astype(int).sum()))
"""
    found = run_python(script, tmp_path / "a.h5").stdout
    assert int(found) == int(blob(SHAPE).astype(int).sum())


@pytest.fixture
def scan_path(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset(file, blob(SHAPE), CHUNKS, MedROIFilter())
    return tmp_path / "a.h5"


@pytest.mark.parametrize(
    "imports",
    [
        "import medroi, h5py",
        "import h5py, medroi",
        "import medroi; from h5py import h5z; import h5py",
        "import medroi, importlib, h5py; importlib.reload(h5py)",
        "import medroi, sys; del sys.modules['medroi']; import medroi, h5py",
        "import importlib.util, medroi; importlib.util.find_spec('h5py'); import h5py",
    ],
)
def test_medroi_may_be_imported_before_and_after(scan_path, imports):
    script = (
        f"{imports}\nimport sys"
        + """
assert h5py.h5z.filter_avail(33054)
with h5py.File(sys.argv[1], "r+") as file:
    file["scan"][0, 0, 0] = 1
with h5py.File(sys.argv[1]) as file:
    print(int(file["scan"][...].astype(int).sum()))
"""
    )
    assert int(run_python(script, scan_path).stdout) == int(blob(SHAPE).astype(int).sum()) + 1


def test_a_library_that_ctypes_loaded_is_reached_by_register(scan_path):
    script = """
import ctypes, glob, importlib.util, sys, medroi
from medroi import plugins
h5py = importlib.util.find_spec("h5py").submodule_search_locations[0]
for path in glob.glob(h5py + "/../h5py.libs/*.so*") * 2:
    try:
        ctypes.CDLL(path)
    except OSError:
        pass
assert len(plugins.register()) >= 1
library = plugins.libraries()[0]
assert library.H5Zfilter_avail(33054) == 1
"""
    run_python(script)


def test_an_import_that_fails_is_that_of_python(tmp_path):
    script = """
import medroi, sys
sys.path.insert(0, sys.argv[1])
try:
    import h5py
except ZeroDivisionError:
    print("as it should")
assert "h5py" not in sys.modules
"""
    (tmp_path / "h5py").mkdir()
    (tmp_path / "h5py" / "__init__.py").write_text("1 / 0")
    assert run_python(script, tmp_path).stdout == "as it should\n"


PATH_AFTER = "import os, medroi, h5py; print(os.environ['HDF5_PLUGIN_PATH'])"


def path_after(value=None, script=PATH_AFTER):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    environment.pop("HDF5_PLUGIN_PATH", None)
    if value is not None:
        environment["HDF5_PLUGIN_PATH"] = value
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True
    )
    return ran.stdout.strip().split(os.pathsep)


def test_the_folders_of_others_stay_in_the_path(tmp_path):
    ours, theirs = plugins.plugin_path(), [str(tmp_path), "/nowhere/at/all"]
    for value in (theirs, [*theirs, ours], [ours, *theirs]):
        found = path_after(os.pathsep.join(value))
        assert found[0] == ours
        assert [path for path in found if path != ours][:2] == theirs
    only = "import os, medroi; print(os.environ['HDF5_PLUGIN_PATH'])"
    assert path_after(theirs[0], only) == [ours, theirs[0]]


KNOWN = """
import ctypes, h5py
{}
library = ctypes.PyDLL(h5py.h5p.__file__)
size, text = ctypes.c_uint(), ctypes.create_string_buffer(999)
library.H5PLsize(ctypes.byref(size))
found = [library.H5PLget(index, text, 999) and text.value.decode() for index in range(size.value)]
print(":".join(path for path in found if "medroi" not in path))
"""


def test_the_folder_that_a_library_was_built_with_stays():
    plain = path_after(script=KNOWN.format(""))
    assert plain
    assert path_after(script=KNOWN.format("import medroi")) == plain
    assert path_after(script="import medroi" + KNOWN.format("")) == plain
    after = path_after(script=PATH_AFTER)
    assert after == [plugins.plugin_path(), *plain]


CHILD = """
import subprocess, sys
import medroi, h5py
child = "import h5py, sys; print(int(h5py.File(sys.argv[1])['scan'][...].astype(int).sum()))"
subprocess.run([sys.executable, "-c", child, sys.argv[1]], check=True)
"""


def test_processes_that_this_one_starts_read(scan_path):
    found = run_python(CHILD, scan_path).stdout
    assert int(found) == int(blob(SHAPE).astype(int).sum())


def test_importing_medroi_loads_nothing_of_hdf5():
    script = """
import sys, medroi
loaded = {"h5py", "medroi.hdf5", "medroi.plugins.host"}
assert not loaded & set(sys.modules), loaded & set(sys.modules)
assert "libh5medroi" not in open("/proc/self/maps").read()
"""
    run_python(script)


@pytest.mark.parametrize("error", [OSError, ValueError, ImportError, AttributeError])
def test_importing_medroi_never_fails_for_hdf5(monkeypatch, error):
    def fail():
        raise error("no such thing")

    monkeypatch.setattr(plugins, "_loaded_hdf5", fail)
    plugins.register_quietly()
    with pytest.raises(error):
        plugins.register()


def test_a_missing_plugin_is_one_clear_error(monkeypatch, tmp_path):
    monkeypatch.setattr(plugins, "_LIBRARY", tmp_path / "libh5medroi.so")
    plugins.register_quietly()
    with pytest.raises(medroi.errors.InnerUnavailable, match="has no HDF5 plugin"):
        plugins.register()


def test_libraries_are_told_once():
    before = plugins.register()
    n_known = len(plugins.libraries())
    assert plugins.register() == before
    assert len(plugins.libraries()) == n_known


THREADS = """
import sys, threading
import h5py, medroi.hdf5, hosted_codec
from make_hdf5 import blob
hosted_codec.install()
array, failures = blob((20, 33, 26)), []

def work(number):
    try:
        options = medroi.hdf5.MedROIFilter({"id": ["zstd", "sirenmri"][number % 2]})
        with h5py.File(f"{sys.argv[1]}/{number}.h5", "w", rdcc_nbytes=0) as file:
            for turn in range(4):
                made = file.create_dataset(f"a{turn}", data=array, chunks=(9, 16, 13), **options)
                other = file.create_dataset(f"b{turn}", shape=array.shape, dtype="<i2",
                                            chunks=(9, 16, 13), **options)
                medroi.hdf5.write(other, array, threads=2)
                assert (made[...] == other[...]).all()
                assert (medroi.hdf5.read(made, threads=2) == array).all()
    except BaseException as error:
        failures.append(repr(error))

workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
[worker.start() for worker in workers]
[worker.join() for worker in workers]
assert not failures, failures
"""


def test_threads_of_python_and_of_the_filter_do_not_wait_for_each_other(tmp_path):
    run_python(THREADS, tmp_path)


def test_last_error_is_of_this_thread(tmp_path):
    import threading

    with h5py.File(tmp_path / "a.h5", "w") as file, pytest.raises(ValueError, match="in front"):
        file.create_dataset(
            "x", data=np.zeros((8, 8), "<i2"), chunks=True, shuffle=True, **MedROIFilter()
        )
    assert "in front" in medroi.hdf5.last_error()
    heard = []
    worker = threading.Thread(target=lambda: heard.append(medroi.hdf5.last_error()))
    worker.start()
    worker.join()
    assert heard == [None]
    assert FILTER_ID == 33054
