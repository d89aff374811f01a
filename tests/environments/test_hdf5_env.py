"""h5py, PyTables, netCDF4 and xarray in one process, each with its own libhdf5, share one plugin.

Every library reads and writes chunks through the filter; none of them knows of medroi.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
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
    told = medroi.hdf5.register()
    assert len(medroi.plugins.libraries()) >= 3
    assert any("h5py" in path for path in told)
    assert any("tables" in path for path in told)
    assert any("netcdf" in path.lower() for path in told)
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


FIRST_MEDROI = """
import sys
import h5py, tables, netCDF4
import medroi
with tables.open_file(sys.argv[1]) as file:
    print(int(file.root.scan[...].astype(int).sum()))
"""

NO_MEDROI = """
import sys
import tables
assert "medroi" not in sys.modules
with tables.open_file(sys.argv[1]) as file:
    print(int(file.root.scan[...].astype(int).sum()))
"""


def test_import_medroi_is_all_that_a_reader_needs(path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FIRST_MEDROI, path], check=True, capture_output=True, text=True
    )
    assert int(ran.stdout) == int(blob().astype(int).sum())


def test_the_environment_variable_alone_is_enough_too(path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", NO_MEDROI, path],
        check=True,
        capture_output=True,
        text=True,
        env={"HDF5_PLUGIN_PATH": medroi.hdf5.plugin_path()},
    )
    assert int(ran.stdout) == int(blob().astype(int).sum())


def test_the_wheel_ships_the_plugin() -> None:
    library = Path(medroi.hdf5.plugin_path(), "libh5medroi.so")
    assert library.is_file()
    assert library.is_relative_to(sys.prefix)
