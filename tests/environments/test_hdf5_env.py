"""h5py, PyTables, netCDF4 and xarray in one process, each with its own libhdf5, share one plugin.

Every library reads and writes chunks through the filter; none of them knows of medroi.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import lying_file
import netCDF4
import numpy as np
import pytest
import tables
import xarray

import medroi
import medroi.hdf5
from medroi.hdf5 import FILTER_ID, MedROIFilter

SHAPE, CHUNKS = (12, 20, 18), (5, 20, 7)


def blob() -> np.ndarray:
    array = np.zeros(SHAPE, np.int16)
    array[3:9, 4:15, 3:14] = np.random.default_rng(3).integers(60, 90, (6, 11, 11))
    return array


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "a.h5"
    with h5py.File(made, "w") as file:
        file.create_dataset("scan", data=blob(), chunks=CHUNKS, **MedROIFilter.lossless())
    return made


@pytest.fixture
def nc_path(tmp_path):
    """A netCDF file whose variable goes through the filter."""
    made = tmp_path / "a.nc"
    array = blob()
    variable = xarray.Dataset({"scan": (("z", "y", "x"), array)})
    options = MedROIFilter.lossless()
    encoding = {
        "scan": {
            "compression": options.filter_id,
            "compression_opts": options.filter_options,
            "chunksizes": CHUNKS,
            "_FillValue": None,
        }
    }
    variable.to_netcdf(made, engine="h5netcdf", encoding=encoding)
    with h5py.File(made) as file:
        assert list(file["scan"]._filters) == [str(FILTER_ID)]
    return made


def test_the_process_holds_several_libhdf5_and_all_are_told() -> None:
    versions = {
        h5py.version.hdf5_version,
        tables.hdf5_version,
        netCDF4.__hdf5libversion__,
    }
    registered = medroi.hdf5.register()
    assert len(medroi.plugins.libraries()) >= 3
    assert any("h5py" in path for path in registered)
    assert any("tables" in path for path in registered)
    assert any("netcdf" in path.lower() for path in registered)
    # The point of this environment: 1.14 and 2.x side by side.
    assert len({version.split(".")[0] for version in versions}) == 2


def test_pytables_reads_a_chunk(path: Path) -> None:
    with tables.open_file(str(path)) as file:
        assert (file.root.scan[...] == blob()).all()


def test_pytables_writes_a_chunk_that_h5py_reads(path: Path) -> None:
    later = blob()[::-1]
    with tables.open_file(str(path), "a") as file:
        file.root.scan[...] = later
    with h5py.File(path) as file:
        assert (file["scan"][...] == later).all()
        assert file["scan"].id.get_chunk_info(0).filter_mask == 0


def test_netcdf4_reads_a_variable(nc_path: Path) -> None:
    with netCDF4.Dataset(nc_path) as file:
        assert (file["scan"][...] == blob()).all()


def test_netcdf4_writes_a_variable(nc_path: Path) -> None:
    later = blob()[:, ::-1]
    with netCDF4.Dataset(nc_path, "a") as file:
        file["scan"][...] = later
    with h5py.File(nc_path) as file:
        assert (file["scan"][...] == later).all()


def test_xarray_reads_lazily_through_h5netcdf(nc_path: Path) -> None:
    with xarray.open_dataset(nc_path, engine="h5netcdf") as opened:
        part = opened["scan"][2:7, 5, ::2].load()
    assert (part.values == blob()[2:7, 5, ::2]).all()


def test_xarray_reads_through_netcdf4(nc_path: Path) -> None:
    with xarray.open_dataset(nc_path, engine="netcdf4") as opened:
        assert (opened["scan"].values == blob()).all()


def test_all_of_them_read_in_turns(path: Path, nc_path: Path) -> None:
    for _ in range(3):
        test_pytables_reads_a_chunk(path)
        test_netcdf4_reads_a_variable(nc_path)
        with h5py.File(path) as file:
            assert (medroi.hdf5.read(file["scan"]) == blob()).all()


def corrupt(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["scan"].id.write_direct_chunk((5, 0, 7), b"no stream")


def test_every_library_refuses_a_corrupt_chunk(path: Path, nc_path: Path) -> None:
    corrupt(path)
    with h5py.File(path) as file, pytest.raises(OSError, match="medroi: corrupt stream"):
        file["scan"][...]
    with (
        tables.open_file(str(path)) as file,
        pytest.raises(tables.HDF5ExtError, match="reading the elements"),
    ):
        file.root.scan[...]
    assert "corrupt stream" in medroi.hdf5.last_error()
    corrupt(nc_path)
    with netCDF4.Dataset(nc_path) as file, pytest.raises(RuntimeError):
        file["scan"][...]


# Opened again for writing, by each of them.

FILLS = {
    "none": ("<i2", None),
    "zero": ("<i2", 0),
    "-1024": ("<i2", -1024),
    "NaN": ("<f4", float("nan")),
    "largest": ("<i2", 32767),
    "largest of 64 bits": ("<u8", 2**64 - 1),
}


def scan_with(fill_name: str) -> np.ndarray:
    dtype, fill = FILLS[fill_name]
    array = np.full(SHAPE, 0 if fill is None else fill, dtype)
    array[3:9, 4:15, 3:14] = blob()[3:9, 4:15, 3:14]
    return array


def write_through_xarray(made: Path, array: np.ndarray, fill: float | None) -> None:
    options = MedROIFilter()
    encoding = {
        "scan": {
            "compression": options.filter_id,
            "compression_opts": options.filter_options,
            "chunksizes": CHUNKS,
            "_FillValue": fill,
        }
    }
    variable = xarray.Dataset({"scan": (("z", "y", "x"), array)})
    variable.to_netcdf(made, engine="h5netcdf", encoding=encoding)


def change_with_h5netcdf(path: Path, array: np.ndarray) -> None:
    import h5netcdf

    with h5netcdf.File(path, "r+") as file:
        file.variables["scan"][2:7, 3:9] = array[2:7, 3:9]


def change_with_netcdf4(path: Path, array: np.ndarray) -> None:
    with netCDF4.Dataset(path, "r+") as file:
        file["scan"][2:7, 3:9] = array[2:7, 3:9]


def change_with_pytables(path: Path, array: np.ndarray) -> None:
    with tables.open_file(str(path), "a") as file:
        file.root.scan[2:7, 3:9] = array[2:7, 3:9]


def change_with_h5py(path: Path, array: np.ndarray) -> None:
    with h5py.File(path, "r+", rdcc_nbytes=0) as file:
        file["scan"][2:7, 3:9] = array[2:7, 3:9]


CHANGES = (change_with_h5netcdf, change_with_netcdf4, change_with_pytables, change_with_h5py)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("fill_name", FILLS)
def test_a_file_that_is_opened_again_is_changed_exactly(tmp_path, change, fill_name) -> None:
    array = scan_with(fill_name)
    write_through_xarray(tmp_path / "a.nc", array, FILLS[fill_name][1])
    array[2:7, 3:9] = np.arange(5 * 6 * 18).reshape(5, 6, 18)
    change(tmp_path / "a.nc", array)
    with h5py.File(tmp_path / "a.nc") as file:
        assert file["scan"][...].tobytes() == array.tobytes()
        assert file["scan"].id.get_chunk_info(0).filter_mask == 0
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        file.set_auto_mask(False)
        assert file["scan"][...].tobytes() == array.tobytes()
    with tables.open_file(str(tmp_path / "a.nc")) as file:
        assert file.root.scan[...].tobytes() == array.tobytes()


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_missing_values_of_xarray_come_back(tmp_path, engine) -> None:
    array = np.where(blob() > 0, blob(), np.nan).astype("<f4")
    write_through_xarray(tmp_path / "a.nc", array, float("nan"))
    with xarray.open_dataset(tmp_path / "a.nc", engine=engine) as opened:
        assert opened["scan"].values.tobytes() == array.tobytes()


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_packed_integers_of_cf_come_back(tmp_path, engine) -> None:
    array = np.where(blob() > 0, blob() / 4, np.nan)
    options = MedROIFilter()
    encoding = {
        "compression": options.filter_id,
        "compression_opts": options.filter_options,
        "chunksizes": CHUNKS,
        "dtype": "i2",
        "scale_factor": 0.25,
        "_FillValue": -32768,
    }
    variable = xarray.Dataset({"scan": (("z", "y", "x"), array)})
    variable.to_netcdf(tmp_path / "a.nc", engine="h5netcdf", encoding={"scan": encoding})
    with h5py.File(tmp_path / "a.nc") as file:
        stream = bytes(file["scan"].id.read_direct_chunk((5, 0, 7))[1])
        assert medroi.inspect(stream).background == -32768
    with xarray.open_dataset(tmp_path / "a.nc", engine=engine) as opened:
        assert np.array_equal(opened["scan"].values, array, equal_nan=True)


# Which is imported first does not matter.

READERS = {
    "h5py": 'h5py.File(sys.argv[1])["scan"][...]',
    "tables": "tables.open_file(sys.argv[1]).root.scan[...]",
    "netCDF4": 'netCDF4.Dataset(sys.argv[1])["scan"][...]',
}
ENGINES = {
    f"xarray with {engine}": f'xarray.open_dataset(sys.argv[1], engine="{engine}")["scan"].values'
    for engine in ("h5netcdf", "netcdf4")
}


def sum_read(lines: str, path: Path, environment: dict[str, str] | None = None) -> int:
    environment = dict(os.environ) if environment is None else environment
    environment.pop("HDF5_PLUGIN_PATH", None)
    script = f"import sys\n{lines}\n"
    ran = subprocess.run(
        [sys.executable, "-c", script, path], env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("order", ["medroi, {}", "{}, medroi", "medroi, h5py, tables, netCDF4"])
def test_every_library_reads_in_any_order_of_imports(path: Path, reader: str, order: str) -> None:
    lines = f"import {order.format(reader)}\nprint(int({READERS[reader]}.astype(int).sum()))"
    assert sum_read(lines, path) == int(blob().astype(int).sum())


@pytest.mark.parametrize("reader", ENGINES)
@pytest.mark.parametrize("order", ["medroi, xarray", "xarray, medroi"])
def test_xarray_reads_in_any_order_of_imports(nc_path: Path, reader: str, order: str) -> None:
    lines = f"import {order}\nprint(int({ENGINES[reader]}.astype(int).sum()))"
    assert sum_read(lines, nc_path) == int(blob().astype(int).sum())


WRITERS = {
    "h5py": 'h5py.File(sys.argv[1], "r+")["scan"][8:] = 7',
    "tables": 'tables.open_file(sys.argv[1], "a").root.scan[8:] = 7',
    "netCDF4": 'netCDF4.Dataset(sys.argv[1], "r+")["scan"][8:] = 7',
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("order", ["medroi, {}", "{}, medroi"])
def test_the_first_operation_may_be_a_write(nc_path: Path, writer: str, order: str) -> None:
    lines = f"import {order.format(writer)}\n{WRITERS[writer]}\nprint(0)"
    assert sum_read(lines, nc_path) == 0
    with h5py.File(nc_path) as file:
        assert (file["scan"][8:] == 7).all()
        assert (file["scan"][:8] == blob()[:8]).all()


WORKERS = """
import medroi, xarray, dask
if __name__ == "__main__":
    with xarray.open_dataset(sys.argv[1], engine="{}", chunks={{"z": 4}}) as opened:
        total = opened["scan"].astype("i8").sum()
        with dask.config.set({{"multiprocessing.context": "{}"}}):
            print(int(total.compute(scheduler="{}", num_workers=2)))
"""


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
@pytest.mark.parametrize("scheduler", ["processes", "threads"])
def test_workers_of_dask_read(nc_path: Path, tmp_path: Path, engine: str, scheduler: str) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sys" + WORKERS.format(engine, "spawn", scheduler))
    environment = {key: value for key, value in os.environ.items() if key != "HDF5_PLUGIN_PATH"}
    ran = subprocess.run(
        [sys.executable, program, nc_path], env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) == int(blob().astype(int).sum())


CLUSTER = """
import sys
import medroi, xarray
from dask.distributed import Client, LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, processes=True, dashboard_address=None) as made, Client(made):
        with xarray.open_dataset(sys.argv[1], engine="h5netcdf", chunks={"z": 4}) as opened:
            print(int(opened["scan"].astype("i8").sum().compute()))
"""


def test_workers_of_a_cluster_read(nc_path: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(CLUSTER)
    ran = subprocess.run([sys.executable, program, nc_path], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) == int(blob().astype(int).sum())


@pytest.mark.parametrize("reader", READERS)
def test_the_environment_variable_alone_is_enough_too(path: Path, reader: str) -> None:
    lines = f"import {reader}\nprint(int({READERS[reader]}.astype(int).sum()))"
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys\n{lines}", path],
        check=True,
        capture_output=True,
        text=True,
        env={"HDF5_PLUGIN_PATH": medroi.hdf5.plugin_path()},
    )
    assert int(ran.stdout) == int(blob().astype(int).sum())


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("words", [lying_file.words_of("i", 2, 2, 3, 4), (1,)], ids=str)
def test_a_file_that_lies_kills_no_library(tmp_path: Path, reader: str, words) -> None:
    stream = medroi.MedROI.lossless("raw").encode(np.arange(1, 25, dtype="<i2").reshape(2, 3, 4))
    lying_file.make(tmp_path / "a.h5", stream, words)
    lines = f"import sys, medroi, {reader}\nprint({READERS[reader]}.sum())"
    ran = subprocess.run(
        [sys.executable, "-c", lines, tmp_path / "a.h5"], capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "Error" in ran.stderr


def test_complex_numbers_of_hdf5_2_are_stored(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    array = (rng.normal(size=(6, 7, 8)) + 1j * rng.normal(size=(6, 7, 8))).astype("<c8")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk(array.shape)
        options = MedROIFilter()
        creation.set_filter(options.filter_id, 0, options.filter_options)
        space = h5py.h5s.create_simple(array.shape)
        made = h5py.h5d.create(file.id, b"scan", h5py.h5t.COMPLEX_IEEE_F32LE, space, creation)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, array)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["scan"][...].tobytes() == array.tobytes()


def test_the_wheel_ships_the_plugin() -> None:
    library = Path(medroi.hdf5.plugin_path(), "libh5medroi.so")
    assert library.is_file()
    assert library.is_relative_to(sys.prefix)
