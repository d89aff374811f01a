"""Promises of archives in an object store, on killed workers of dask, and on a bad network."""

from __future__ import annotations

import functools
import http.server
import importlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import archive_trees
import dask
import fsspec
import make_scans
import numpy as np
import pytest
import s3fs
from s3_server import Server, s3_server

import medroi
from medroi import archives, errors
from medroi.archives.locks import locked
from medroi.archives.places import open_place
from medroi.scans import check

N_SCANS = 300
WHO = ("AUTHOR", "COMMITTER")
# Every thirtieth NIfTI file.
BROKEN = {f"sub-{n // 10:02}/scan-{n}.nii" for n in range(4, N_SCANS, 30)}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with s3_server() as running:
        yield running


@pytest.fixture(autouse=True)
def on_a_good_network(server: Server) -> None:
    server.faults.share = 0.0


def stores_of(found: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in found.items() if not name.startswith(".medroi-archive/")}


def test_an_object_store_gets_the_bytes_of_a_folder(server: Server, tmp_path: Path) -> None:
    source, url = archive_trees.tree(tmp_path / "src", dicom=False), "s3://archive/tree"
    medroi.archive(source, tmp_path / "dst", lossless=True)
    medroi.archive(source, url, lossless=True, place_options=server.options)
    found = stores_of(server.objects("tree"))
    assert found == archive_trees.stores_in(tmp_path / "dst")
    assert medroi.archive(source, url, lossless=True, place_options=server.options).run == {
        "failed": 1
    }
    checked = archives.check_archive(url, against=source, place_options=server.options)
    assert checked.problems == () and checked.n_checked == 8
    report = archives.restore(url, tmp_path / "back", place_options=server.options)
    assert report.failures == () and report.n_contents == 0
    expected = archive_trees.files_in(source)
    del expected["sub-02/anat/broken.nii.gz"]
    assert archive_trees.files_in(tmp_path / "back") == expected


def test_a_tree_in_an_object_store_has_the_archive_of_a_folder(
    server: Server, tmp_path: Path
) -> None:
    source, url = archive_trees.tree(tmp_path / "src"), "s3://archive/source"
    (source / "sub-02" / "back").unlink()
    for name, data in archive_trees.files_in(source).items():
        server.change(f"source/{name}", data)
    server.change("source/empty/", b"")
    medroi.archive(source, tmp_path / "dst", lossless=True)
    both = {"place_options": server.options, "source_options": server.options}
    report = medroi.archive(url, "s3://archive/of-source", lossless=True, jobs=2, **both)
    assert report.run["failed"] == 1 and report.planned["dicom"] == 1
    found = stores_of(server.objects("of-source"))
    assert found == archive_trees.stores_in(tmp_path / "dst")
    # A listing and the answer for one object say the same, so that nothing is read again.
    again = medroi.archive(url, "s3://archive/of-source", lossless=True, **both)
    assert again.run == {"failed": 1}
    server.change("source/participants.tsv", b"participant_id\nsub-02\n")
    again = medroi.archive(url, "s3://archive/of-source", lossless=True, **both)
    assert again.run == {"failed": 1, "copied": 1}
    with pytest.raises(errors.InvalidArgument, match="inside"):
        medroi.archive(url, f"{url}/dst", **both)


def test_what_was_changed_in_the_object_store_is_found(server: Server, tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    make_scans.nifti(source / "a.nii", archive_trees.noisy(1))
    medroi.archive(source, "s3://archive/changed", place_options=server.options)
    objects = server.objects("changed")
    name = next(name for name in objects if ".ome.zarr/s0/c/" in name)
    data = objects[name]
    server.change(f"changed/{name}", data[:-1] + b"x")
    ((path, text),) = archives.check_archive(
        "s3://archive/changed", place_options=server.options
    ).problems
    assert path == "a.nii" and "not the bytes" in text


def uploaded(server: Server, folder: Path, name: str, voxels: np.ndarray) -> str:
    """The URL of a packed scan in the bucket."""
    source = make_scans.nifti(folder / f"{name}.nii.gz", voxels)
    medroi.pack(source, folder / f"{name}.ome.zarr", lossless=True, chunks=(16,))
    for file in (folder / f"{name}.ome.zarr").rglob("*"):
        if file.is_file():
            server.change(file.relative_to(folder).as_posix(), file.read_bytes())
    return f"s3://archive/{name}.ome.zarr"


def test_a_scan_in_an_object_store_is_opened_by_its_url(server: Server, tmp_path: Path) -> None:
    voxels = make_scans.head()
    url = uploaded(server, tmp_path, "opened", voxels)
    with medroi.open(url, storage_options=server.options) as scan:
        assert scan.name == "opened.ome.zarr" and scan.kind == "nifti"
        assert np.array_equal(scan.array[3:20, ::2, 5], voxels[3:20, ::2, 5])
        assert np.array_equal(scan.to_nibabel().get_fdata(), voxels)
        assert scan.region.n_voxels == voxels.size
    with pytest.raises(errors.InvalidArgument, match=r"nothing\.ome\.zarr"):
        medroi.open("s3://archive/nothing.ome.zarr", storage_options=server.options)


def test_a_bad_network_gives_errors_and_never_other_voxels(server: Server, tmp_path: Path) -> None:
    voxels = make_scans.head()
    url = uploaded(server, tmp_path, "shaky", voxels)
    options = {**server.options, "config_kwargs": {"retries": {"max_attempts": 1}}}
    n_read = n_errors = 0
    for share in (0.02, 0.1, 0.4):
        for _ in range(4):
            server.faults.share = share
            try:
                # A file system that was used before would not ask again.
                s3fs.S3FileSystem.clear_instance_cache()
                with medroi.open(url, storage_options=options) as scan:
                    assert np.array_equal(np.asarray(scan.array), voxels)
                n_read += 1
            except (errors.MedROIError, OSError):
                n_errors += 1
    assert n_read > 0 and n_errors > 0


def test_a_second_run_on_an_object_store_is_refused(server: Server, tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    url = "s3://archive/leased"
    with (
        locked(open_place(url, server.options)),
        pytest.raises(archives.InUse, match=str(os.getpid())),
    ):
        medroi.archive(source, url, place_options=server.options)
    # The lease of a process of this machine that is no more is free at once.
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    import json
    import socket

    holder = {"host": socket.gethostname(), "pid": gone.pid, "id": "x", "renewed": 0}
    server.change("leased/.medroi-archive/leases/run.json", json.dumps(holder).encode())
    medroi.archive(source, url, place_options=server.options)
    assert "leases" not in str(list(server.objects("leased")))


def test_a_network_that_fails_leaves_no_wrong_store(server: Server, tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    for seed in range(6):
        make_scans.nifti(source / f"{seed}.nii", archive_trees.noisy(seed))
    medroi.archive(source, tmp_path / "dst", lossless=True)
    options = {**server.options, "config_kwargs": {"retries": {"max_attempts": 1}}}
    url, n_errors = "s3://archive/faulty", 0
    for _ in range(6):
        server.faults.share = 0.25
        try:
            report = medroi.archive(source, url, lossless=True, place_options=options)
            n_errors += len(report.failures)
        except (errors.MedROIError, OSError):  # even the journal could not be written
            n_errors += 1
        server.faults.share = 0.0
        with_metadata = [name for name in server.objects("faulty") if name.count("/") == 1]
        for name in with_metadata:
            if name.endswith(".ome.zarr/zarr.json"):
                whole(server, "faulty", name.rpartition("/")[0], tmp_path / "look")
    assert n_errors > 0 and server.faults.n_failed > 3
    medroi.archive(source, url, lossless=True, place_options=options)
    assert stores_of(server.objects("faulty")) == archive_trees.stores_in(tmp_path / "dst")


def whole(server: Server, prefix: str, store: str, folder: Path) -> None:
    """A store whose last metadata is there is a whole store."""
    for name, data in server.objects(f"{prefix}/{store}").items():
        (folder / store / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / store / name).write_bytes(data)
    check(folder / store)


class WithoutListings(http.server.SimpleHTTPRequestHandler):
    """Gives files, and no list of a folder."""

    def list_directory(self, path: object) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


def test_an_archive_is_read_over_http(tmp_path: Path) -> None:
    source = archive_trees.tree(tmp_path / "src", dicom=False)
    medroi.archive(source, tmp_path / "dst", lossless=True)
    handler = functools.partial(WithoutListings, directory=str(tmp_path / "dst"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{running.server_port}"
        assert archives.check_archive(url).problems == ()
        report = archives.restore(url, tmp_path / "back", ["sub-01"])
        assert report.failures == () and report.n_exact == 2
        running.shutdown()


def many_scans(root: Path) -> Path:
    """NIfTI, DICOM and broken ones."""
    for number in range(N_SCANS):
        folder = root / f"sub-{number // 10:02}"
        folder.mkdir(parents=True, exist_ok=True)
        voxels = archive_trees.noisy(number, (8, 9, 7))
        if number % 10 == 7:
            make_scans.dicom_series(folder / f"series-{number}", voxels[:, :, :3])
        else:
            path = make_scans.nifti(folder / f"scan-{number}.nii", voxels)
            if f"{folder.name}/{path.name}" in BROKEN:
                path.write_bytes(path.read_bytes()[:300])
    return root


# A process that has these imported is forked for each worker and client: they start at once.
PRELOADED = ["distributed.cli.dask_scheduler", "distributed.cli.dask_worker", "medroi.cli"]
PRELOADED += ["medroi.archives", "medroi.scans", "zarr.api.synchronous", "nibabel", "s3fs"]


def run_program(module: str, arguments: list[str], folder: Path) -> None:
    """The program of a module, as a command of its own would run it, without output."""
    os.chdir(folder)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    # A client gives a scheduler up after this; the default is 30 s.
    dask.config.set({"distributed.comm.timeouts.connect": "3s"})
    sys.exit(importlib.import_module(module).main(arguments))


class Cluster:
    """A scheduler, two workers and clients, each a process that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self._folder = folder
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)
        self.scheduler: BaseProcess | None = None
        self.workers: list[BaseProcess] = []

    def start(self) -> None:
        """Start what is not there."""
        if self.scheduler is None or not self.scheduler.is_alive():
            self.stop()
            self.file.unlink(missing_ok=True)
            self.scheduler = self._dask("scheduler", "--port", "0")
            deadline = time.monotonic() + 60
            while not self.file.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
        self.workers = [one for one in self.workers if one.is_alive()]
        while len(self.workers) < 2:
            self.workers.append(self._dask("worker", "--nthreads", "1", "--no-nanny"))

    def stop(self) -> None:
        for one in [self.scheduler, *self.workers]:
            if one is not None:
                one.kill()
                one.join()
        self.workers = []

    def client(self, *arguments: str) -> BaseProcess:
        """Start ``medroi archive``."""
        return self._run("medroi.cli", "archive", *arguments, "--scheduler", str(self.file))

    def _dask(self, name: str, *more: str) -> BaseProcess:
        more = (*more, "--no-dashboard", "--scheduler-file", str(self.file))
        return self._run(f"distributed.cli.dask_{name}", *more)

    def _run(self, module: str, *arguments: str) -> BaseProcess:
        given = (module, [*arguments], self._folder)
        program = self._context.Process(target=run_program, args=given, daemon=True)
        program.start()
        return program


def status_of(program: BaseProcess) -> int | None:
    """The status with which a program ends; None of one that still runs after a long time."""
    program.join(timeout=900)
    return program.exitcode


def test_workers_scheduler_and_client_are_killed_and_nothing_is_lost(
    server: Server, tmp_path: Path
) -> None:
    source, url = many_scans(tmp_path / "src"), "s3://archive/killed"
    # In memory, which waits for no disk.
    medroi.archive(source, "memory://undisturbed", lossless=True, layout="bare")
    memory = fsspec.filesystem("memory")
    names = {name: name.removeprefix("/undisturbed/") for name in memory.find("/undisturbed")}
    undisturbed = stores_of({shown: memory.cat_file(name) for name, shown in names.items()})
    draw = random.Random(18)
    victims = ["worker"] * 5 + ["client"] * 3 + ["scheduler"] * 2
    draw.shuffle(victims)
    cluster = Cluster(tmp_path)
    command = [str(source), url, "--lossless", "--layout=bare", "--storage", server.storage]
    client: BaseProcess | None = None
    try:
        for victim in victims:
            cluster.start()
            if client is None or not client.is_alive():
                client = cluster.client(*command)
            # At any moment of the work, and now and then before it has begun again.
            server.wait_for_puts(draw.choice([0, *range(1, 40)]))
            if victim == "worker":
                draw.choice(cluster.workers).kill()
            elif victim == "client":
                os.kill(client.pid or 0, draw.choice([signal.SIGKILL, signal.SIGTERM]))
                assert status_of(client) not in (0, None)
            elif cluster.scheduler is not None:
                cluster.scheduler.kill()
                assert status_of(client) not in (0, None)
        assert not server.objects("killed").keys() >= {"manifest.tsv"}
        cluster.start()
        if client is not None:
            assert status_of(client) is not None
        # Broken scans are failures: status 1, and the archive is complete.
        assert status_of(cluster.client(*command)) == 1
    finally:
        cluster.stop()
    assert len(undisturbed) > 500
    assert stores_of(server.objects("killed")) == undisturbed
    wanted = ["sub-00", "sub-13", "sub-29"]
    report = archives.restore(url, tmp_path / "back", wanted, place_options=server.options)
    assert report.failures == () and report.n_contents == 0
    originals = archive_trees.files_in(source)
    assert archive_trees.files_in(tmp_path / "back") == {
        name: data
        for name, data in originals.items()
        if name.startswith(tuple(wanted)) and name not in BROKEN
    }


def test_a_local_cluster_of_dask_jobqueue_does_the_work(tmp_path: Path) -> None:
    from dask_jobqueue.local import LocalCluster
    from distributed import Client

    source = archive_trees.tree(tmp_path / "src", dicom=False)
    medroi.archive(source, tmp_path / "dst", lossless=True)
    with (
        LocalCluster(
            cores=1, memory="1GB", processes=1, log_directory=str(tmp_path / "logs")
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        cluster.scale(jobs=1)
        client.wait_for_workers(1, timeout=60)
        medroi.archive(source, tmp_path / "queued", lossless=True, scheduler=client)
    assert archive_trees.stores_in(tmp_path / "queued") == archive_trees.stores_in(tmp_path / "dst")


def test_a_scan_that_takes_workers_down_is_a_failure_and_the_others_are_stored(
    tmp_path: Path,
) -> None:
    from distributed import Client, LocalCluster

    source = tmp_path / "src"
    source.mkdir()
    for number, name in enumerate(("a.nii", "deadly.nii", "z.nii")):
        make_scans.nifti(source / name, archive_trees.noisy(number))
    place = archives.open_place(str(tmp_path / "dst"))
    todo = [
        archives.Job(
            str(source),
            path.name,
            "scan",
            (path.name,),
            place.url,
            f"{path.stem}.ome.zarr",
            archives.Settings({}),
        )
        for path in sorted(source.iterdir())
    ]
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        done = archives.run_dask(iter(todo), client, archive_trees.deadly)
        found = {job.path: (record.state, record.error_class) for job, record in done}
    assert found == {
        "a.nii": ("stored", ""),
        "deadly.nii": ("failed", "ProcessEnded"),
        "z.nii": ("stored", ""),
    }


def test_the_table_of_the_manifest_has_its_rows_in_groups_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyarrow import parquet

    from medroi.archives import manifest

    monkeypatch.setattr(manifest, "_GROUP_ROWS", 3)
    source = archive_trees.tree(tmp_path / "src", dicom=False)
    medroi.archive(source, tmp_path / "dst")
    head, *rows = (tmp_path / "dst" / "manifest.tsv").read_text().splitlines()
    table = parquet.read_table(tmp_path / "dst" / "manifest.parquet")
    assert table.column_names == head.split("\t")
    assert table["path"].to_pylist() == [row.split("\t")[0] for row in rows]
    whole = len(rows) // 3
    assert parquet.ParquetFile(tmp_path / "dst" / "manifest.parquet").num_row_groups == whole + 1
    assert archives.check_archive(tmp_path / "dst").notes == ()


def test_datalad_runs_it_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    """The commands of docs/datalad.md."""
    source = archive_trees.tree(tmp_path / "raw", dicom=False)
    (source / "sub-02" / "anat" / "broken.nii.gz").unlink()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    names = {f"GIT_{who}_{what}": "t@example.org" for who in WHO for what in ("NAME", "EMAIL")}
    environment = {**os.environ, **names, "PATH": path, "HOME": str(tmp_path)}

    def run(folder: Path, *command: str) -> str:
        ran = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    run(source, "datalad", "create", "--force", ".")
    run(source, "datalad", "save", "-m", "raw data")
    run(tmp_path, "datalad", "create", "packed")
    packed = tmp_path / "packed"
    run(packed, "datalad", "clone", "-d", ".", str(source), "sources/raw")
    scan = packed / "sources/raw/sub-01/anat/sub-01_T1w.nii.gz"
    assert scan.is_symlink() and not scan.exists()
    command = f"{sys.executable} -m medroi archive sources/raw derivatives/medroi --lossless"
    more = ["-i", "sources/raw", "-o", "derivatives/medroi", command]
    run(packed, "datalad", "run", "-m", "pack the raw data", *more)
    medroi.archive(source, tmp_path / "dst", lossless=True)
    found = archive_trees.stores_in(packed / "derivatives" / "medroi")
    expected = archive_trees.stores_in(tmp_path / "dst")
    stores = {name for name in expected if ".ome.zarr/" in name}
    assert stores and {name: found[name] for name in stores} == {
        name: expected[name] for name in stores
    }
    before = run(packed, "git", "rev-parse", "HEAD:derivatives")
    run(packed, "datalad", "rerun")
    assert run(packed, "git", "rev-parse", "HEAD:derivatives") == before
    assert run(packed, "git", "status", "--porcelain") == ""
