"""The server: paths to bodies, for readers of one machine. It writes nothing."""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from medroi.errors import InvalidArgument, MedROIError
from medroi.serving.body import Body, body_of, json_body
from medroi.serving.content import Content
from medroi.serving.nifti_file import nifti_body
from medroi.serving.plain_zarr import PlainZarr
from medroi.serving.ranges import asked_range

_SCRIPT = "text/javascript; charset=utf-8"
_PAGE = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.js": ("page.js", _SCRIPT),
    "planes.js": ("planes.js", _SCRIPT),
    "page.css": ("page.css", "text/css; charset=utf-8"),
}
_PLANE = re.compile(r"(planes|regions)/([0-2])/(\d{1,9})/(\d{1,9})")
# What scripts/build_js.sh makes; a build without it has none, and this server decodes.
_DECODER = re.compile(r"decoder/([A-Za-z0-9_-]+\.js)")
# The page runs its own scripts, with the WebAssembly that they hold, and asks this server alone.
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_PIECE_NBYTES = 2**22


class ScanServer(ThreadingHTTPServer):
    """A server of one packed scan.

    Attributes
    ----------
    content : Content
        The scan.
    allowed_origins : frozenset of str
        Pages of these origins may read what is served; others not, though they run on this machine.
    """

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], content: Content, allowed_origins: frozenset[str]
    ) -> None:
        super().__init__(address, _Handler)
        self.content = content
        self.allowed_origins = allowed_origins
        self.zarr = PlainZarr(content.blocks, content.packed.spacing_mm, content.packed.name)
        self.answers_any_name = not ipaddress.ip_address(address[0]).is_loopback

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to tell about."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """The page's address."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"

    def body(self, path: str) -> Body | None:
        """Find what lies under a path; None where nothing does."""
        kind, _, key = path.partition("/")
        if path in _PAGE:
            name, content_type = _PAGE[path]
            return body_of(Path(__file__).with_name(name).read_bytes(), content_type)
        if path == "facts.json":
            return json_body(self.content.facts())
        if path == "window.json":
            return json_body(self.content.window())
        if path == "scan.nii":
            return nifti_body(self.content.packed, self.content.blocks)
        if kind == "zarr":
            return self.zarr.body(key)
        if kind == "store":
            return self.content.files.body(key)
        if kind == "decoder":
            return self._decoder(path)
        return self._plane(path)

    def _plane(self, path: str) -> Body | None:
        found = _PLANE.fullmatch(path)
        if found is None:
            return None
        cut = self.content.cuts[int(found[2])]
        index, frame = int(found[3]), int(found[4])
        if index >= self.content.volume_shape[cut.axis] or frame >= self.content.n_frames:
            return None
        read: Callable[..., Any] = (
            self.content.plane if found[1] == "planes" else self.content.kept_plane
        )
        return body_of(read(cut, index, frame).tobytes(order="C"))

    def _decoder(self, path: str) -> Body | None:
        found = _DECODER.fullmatch(path)
        file = None if found is None else Path(__file__).with_name("decoder") / found[1]
        return None if file is None or not file.is_file() else body_of(file.read_bytes(), _SCRIPT)


class _Handler(BaseHTTPRequestHandler):
    """GET and HEAD; every other method is refused by the base class."""

    protocol_version = "HTTP/1.1"
    server_version = "medroi"
    sys_version = ""
    server: ScanServer

    def do_GET(self) -> None:
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        self._answer(with_content=False)

    def do_OPTIONS(self) -> None:
        self._start(HTTPStatus.NO_CONTENT, {"Allow": "GET, HEAD, OPTIONS", "Content-Length": "0"})

    def _answer(self, *, with_content: bool) -> None:
        if not self._is_asked_by_name():
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "this server answers for localhost alone")
            return
        try:
            path = unquote(urlsplit(self.path).path).removeprefix("/")
        except ValueError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"no address of this server: {error}")
            return
        try:
            body = self.server.body(path)
        except Exception as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, _said(error))
            return
        if body is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing of this name")
            return
        try:
            asked = asked_range(self._range(), body.nbytes)
        except ValueError as error:
            self._refuse(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                str(error),
                {"Content-Range": f"bytes */{body.nbytes}"},
            )
            return
        start, stop = asked or (0, body.nbytes)
        headers = {
            "Content-Type": body.content_type,
            "Content-Length": str(stop - start),
            "Accept-Ranges": "bytes",
        }
        if asked is not None:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{body.nbytes}"
        self._send(body, start, stop, headers, asked is not None, with_content)

    def _send(
        self,
        body: Body,
        start: int,
        stop: int,
        headers: dict[str, str],
        is_part: bool,
        with_content: bool,
    ) -> None:
        """The first piece is made before anything is said, so that what fails is said to fail."""
        first = min(start + _PIECE_NBYTES, stop)
        try:
            piece = body.piece(start, first) if with_content else b""
        except Exception as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, _said(error))
            return
        self._start(HTTPStatus.PARTIAL_CONTENT if is_part else HTTPStatus.OK, headers)
        if not with_content:
            return
        try:
            self.wfile.write(piece)
            for at in range(first, stop, _PIECE_NBYTES):
                self.wfile.write(body.piece(at, min(at + _PIECE_NBYTES, stop)))
        except Exception:
            # Too late for words: a connection that ends early is an error for every client.
            self.close_connection = True

    def _is_asked_by_name(self) -> bool:
        """A page elsewhere whose name was made to point here must not read a patient's scan."""
        if self.server.answers_any_name:
            return True
        try:
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def _range(self) -> str | None:
        """The range that is asked for; by the rules of HTTP a GET alone asks for one.

        There are no versions here that a condition could be held against.
        """
        if self.command != "GET" or "If-Range" in self.headers:
            return None
        return self.headers.get("Range")

    def _refuse(self, status: HTTPStatus, text: str, headers: dict[str, str] | None = None) -> None:
        content = f"{text}\n".encode()
        self._start(
            status,
            {
                "Content-Type": "text/plain; charset=utf-8",
                "Content-Length": str(len(content)),
                **(headers or {}),
            },
        )
        if self.command != "HEAD":
            self.wfile.write(content)

    def _start(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        origin = self.headers.get("Origin")
        is_allowed = origin in self.server.allowed_origins
        if is_allowed:
            headers |= {
                "Access-Control-Allow-Origin": str(origin),
                "Access-Control-Allow-Headers": "Range",
                "Access-Control-Expose-Headers": "Content-Range, Content-Length, Accept-Ranges",
                "Vary": "Origin",
            }
        headers |= {
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "cross-origin" if is_allowed else "same-origin",
            "Cache-Control": "no-store",
        }
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            # What nobody reads of this request would be taken for the next one.
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: what is asked for is nobody's business."""


def _said(error: Exception) -> str:
    """Say in words what is wrong; a store may be damaged in ways that no reader expects."""
    if isinstance(error, MedROIError):
        return str(error)
    return f"the scan cannot be read: {type(error).__name__}: {error}"


def make_server(
    source: str,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    allow_origins: tuple[str, ...] = (),
    air: str = "leave",
) -> ScanServer:
    """Open a packed scan, and a server for it, which `serve_forever` starts.

    Parameters
    ----------
    source : path or URL
        As for `medroi.open`.
    host : str
        Address to listen at. Anybody who reaches it reads the scan.
    port : int
        0 takes a free one.
    allow_origins : tuple of str
        Origins of other pages that may read it, such as ``https://neuroglancer-demo.appspot.com``.
    air : {"leave", "merge"}
        As for `medroi.open`. The store's own files are served as they are.

    Raises
    ------
    InvalidArgument
        Where there is no such scan, or the address cannot be had.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise InvalidArgument(
            f"{host}: expected an address in numbers such as 127.0.0.1 (--host, host=)"
        ) from None
    content = Content(source, air=air)
    try:
        return ScanServer((host, port), content, frozenset(allow_origins))
    except OSError as error:
        content.close()
        raise InvalidArgument(
            f"{host}, port {port}: {error.strerror}; another port helps (--port, port=)"
        ) from error
