#!/usr/bin/env python3
"""Compare Chromium with Python in what they decode and draw: `check_browser.py CHROMIUM FOLDER`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

import medroi
from medroi import MedROI
from medroi.serving import ScanServer, make_server

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from range_server import serving  # noqa: E402

GOLDEN = ROOT / "tests" / "golden"
SCAN = ROOT / "examples" / "data" / "head_T1w.nii.gz"
TINT = np.array([40, 25, 70])
TIMEOUT_S = 120
MAX_ATTEMPTS = 4
# Of a store with levels, for the first picture.
MAX_REQUESTS = 4
MAX_SHARE = 0.05
# The page's address says what it shows.
VIEWS = ("at=70,100,90&low=0&high=120&region=1", "at=20,30,150&low=10&high=60&region=0")


class Handler(SimpleHTTPRequestHandler):
    """A folder, and one place to send a result to."""

    results: queue.Queue[dict[str, Any]]

    def do_POST(self) -> None:
        """Take a result."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.server.results.put(json.loads(content))  # type: ignore[attr-defined]

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[str]:
    """Run a server beside this thread, and give its address."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def browser(program: str, profile: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start Chromium without a window."""
    common = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
    return subprocess.Popen(
        [program, *common, f"--user-data-dir={profile}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def sha256(array: np.ndarray) -> str:
    """Digest of elements in C order, as they are."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def check_goldens(program: str, folder: Path, stores: dict[str, str]) -> None:
    """Have the package decode every golden, and zarrita read the stores."""
    good = {}
    for path in sorted(GOLDEN.glob("v1-*.medroi")):
        array = MedROI().decode(path.read_bytes())
        order = medroi.inspect(path.read_bytes()).order
        good[path.stem] = hashlib.sha256(array.tobytes(order=order)).hexdigest()
    bad = sorted(path.stem for path in GOLDEN.glob("bad-*.medroi"))
    (folder / "expected.json").write_text(json.dumps({"good": good, "bad": bad, "stores": stores}))
    (folder / "index.html").write_text('<script type="module" src="browser.js"></script>')
    (folder / "golden").unlink(missing_ok=True)
    (folder / "golden").symlink_to(GOLDEN)
    server = ThreadingHTTPServer(("127.0.0.1", PORT), partial(Handler, directory=str(folder)))
    server.results = queue.Queue()  # type: ignore[attr-defined]
    with running(server) as url, tempfile.TemporaryDirectory() as profile:
        process = browser(program, Path(profile), "--remote-debugging-port=0", f"{url}/")
        try:
            found = server.results.get(timeout=TIMEOUT_S)  # type: ignore[attr-defined]
        finally:
            process.terminate()
            process.wait()
    expected = {
        "simd": True,
        "wrong": [],
        "nGood": 2 * len(good),
        "nRefused": 2 * len(bad),
        "nStores": len(stores),
    }
    if found != expected:
        raise SystemExit(f"Chromium found {found}, expected {expected}")
    print(f"Chromium: {len(good)} goldens, {len(bad)} refusals, with and without SIMD")
    print(f"Chromium: {len(stores)} stores through zarrita")


def drawn(server: ScanServer, words: str) -> dict[str, str]:
    """Digests of the canvases that the page is to draw."""
    view = dict(word.split("=") for word in words.split("&"))
    low, high = float(view["low"]), float(view["high"])
    found = {}
    for cut, index in zip(server.content.cuts, map(int, view["at"].split(",")), strict=True):
        values = server.content.plane(cut, index, 0).astype(np.float64)
        # JavaScript rounds halves up.
        grey = np.clip(np.floor((values - low) * (255 / (high - low)) + 0.5), 0, 255)
        pixels = np.empty((*grey.shape, 4))
        pixels[..., :3] = grey[..., None]
        pixels[..., 3] = 255
        if view["region"] == "1":
            pixels[..., :3] += (server.content.kept_plane(cut, index, 0) == 0)[..., None] * TINT
        found[cut.title] = sha256(np.clip(pixels, 0, 255).astype(np.uint8))
    return found


def seen_by(program: str, url: str, words: str, attempt: int, picture: Path) -> str:
    """Give the document of a view after some time, and take a picture of it."""
    with tempfile.TemporaryDirectory() as profile:
        arguments = [f"--virtual-time-budget={attempt * 60_000}", "--window-size=1350,760"]
        process = browser(program, Path(profile), *arguments, "--dump-dom", f"{url}/?check#{words}")
        document, _ = process.communicate(timeout=TIMEOUT_S)
        shot = browser(
            program, Path(profile), *arguments, f"--screenshot={picture}", f"{url}/#{words}"
        )
        shot.communicate(timeout=TIMEOUT_S)
    return document


def check_view(
    program: str, folder: Path, store: Path, server: ScanServer, url: str, name: str, decoder: str
) -> None:
    """Compare the canvases of the page with the pixels that Python makes of the same scan.

    `server` has the scan of `store`; `url` is the page's address, which may be another server's.
    """
    file_name = name.replace(" ", "-")
    for number, words in enumerate(VIEWS):
        for attempt in range(1, MAX_ATTEMPTS + 1):
            document = seen_by(program, url, words, attempt, folder / f"{file_name}-{number}.png")
            found = {}
            for tag in re.findall(r"<canvas[^>]*>", document):
                attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
                found[attributes["id"]] = attributes.get("data-sha256", "not drawn")
            # On a loaded machine the time that Chromium makes up ends before the last picture.
            if found and "not drawn" not in found.values():
                break
        expected = drawn(server, words)
        if found != expected:
            raise SystemExit(f"{name}, {words}: Chromium drew {found}, Python {expected}")
        seen = dict(re.findall(r'data-([\w-]+)="([^"]*)"', re.findall(r"<body[^>]*>", document)[0]))
        if seen["decoder"] != decoder:
            raise SystemExit(f"{name}: decoded by {seen['decoder']}, expected {decoder}")
    said = f"{len(VIEWS)} views of three planes, pixel by pixel, decoded by the {decoder}"
    print(f"Chromium: medroi view of {name}: {said}")
    if decoder == "page":
        check_first_picture(name, seen, store)


def check_first_picture(name: str, seen: dict[str, str], store: Path) -> None:
    """Say what the first picture takes of a store; of one with levels hold it against the goal."""
    n_requests, nbytes = int(seen["first-requests"]), int(seen["first-nbytes"])
    files = [path for path in store.rglob("*") if path.is_file()]
    share = nbytes / sum(path.stat().st_size for path in files)
    print(f"Chromium: first picture of {name}: {n_requests} requests, {share:.1%} of the bytes")
    if (store / "s1").is_dir() and (n_requests > MAX_REQUESTS or share > MAX_SHARE):
        raise SystemExit(f"{name}: expected {MAX_REQUESTS} requests and {MAX_SHARE:.0%} at most")


def main(program: str, folder: Path) -> None:
    """Run every check."""
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        stores: dict[str, str] = {}
        behind_url = stack.enter_context(serving(Path(temporary))).url
        for name, options, decoder in (
            ("head.ome.zarr", {}, "page"),
            ("levels.ome.zarr", {"levels": 3}, "page"),
            ("preview.ome.zarr", {"preview": True}, "page"),
            ("box.zarr", {"inner": "zstd", "chunks": (64,), "roi": "box"}, "page"),
            ("wavelet.zarr", {"inner": {"id": "wavelet3d", "psnr": 60.0}}, "page"),
            # Its decoder is in neither the page nor the package.
            ("jpeg2000.ome.zarr", {"inner": "jpeg2000"}, "server"),
        ):
            store = Path(temporary, name)
            medroi.pack(SCAN, store, **options)
            server = make_server(str(store), allow_origins=(f"http://127.0.0.1:{PORT}",))
            url = stack.enter_context(running(server))
            if decoder == "page":
                key = "store/s0" if (store / "s0").is_dir() else "store"
                array = np.asarray(medroi.open(store).array)
                stores[f"{url}/{key}"] = sha256(array.T if key.endswith("s0") else array)
            check_view(program, folder, store, server, url, store.stem, decoder)
            if name == "levels.ome.zarr":
                remote = stack.enter_context(running(make_server(f"{behind_url}/{name}")))
                check_view(program, folder, store, server, remote, "levels behind a URL", decoder)
        check_goldens(program, folder, stores)


PORT = 8791  # of the page whose origin the servers of the stores allow

if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
