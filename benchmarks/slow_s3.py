"""A local S3 server behind a slow network, as a process of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Iterable, Iterator
from typing import Any

BUCKET, KEYS = "archive", {"key": "test", "secret": "test"}


class Slow:
    """An application that answers every upload so many seconds later; it counts those that wait."""

    def __init__(self, application: Any, delay_s: float, waiting: Any) -> None:
        self._application, self._delay_s, self._waiting = application, delay_s, waiting

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "PUT":
            self._count(1)
            time.sleep(self._delay_s)
            self._count(-1)
        return self._application(environ, start_response)  # type: ignore[no-any-return]

    def _count(self, more: int) -> None:
        with self._waiting.get_lock():
            self._waiting.value += more


def _serve(delay_s: float, port: Any, waiting: Any) -> None:
    import logging

    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = Slow(DomainDispatcherApplication(create_backend_app), delay_s, waiting)
    running = make_server("127.0.0.1", 0, application, threaded=True)
    port.send(running.server_port)
    running.serve_forever()


@contextlib.contextmanager
def slow_s3(delay_s: float) -> Iterator[tuple[dict[str, Any], Any]]:
    """Run a server with an empty bucket while the block runs.

    Gives fsspec's options for it, and the number of uploads that wait for an answer at the moment.
    """
    import s3fs

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    waiting = context.Value("i", 0)
    server = context.Process(target=_serve, args=(delay_s, theirs, waiting), daemon=True)
    server.start()
    try:
        options = {"endpoint_url": f"http://127.0.0.1:{ours.recv()}", **KEYS}
        s3fs.S3FileSystem(**options).mkdir(BUCKET)
        yield options, waiting
    finally:
        server.kill()
        server.join()
