"""An S3 server of the test process, whose network can be made to fail."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

KEYS = {"key": "test", "secret": "test"}


class Faulty:
    """Answers some requests with an error of the server, and loses the answer of others."""

    def __init__(self, application: Any) -> None:
        self._application, self._random, self._lock = (
            application,
            random.Random(11),
            threading.Lock(),
        )
        self.share = 0.0
        self.n_failed = self.n_put = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock:
            drawn = self._random.random()
            fails = drawn < self.share
            self.n_failed += fails
            self.n_put += environ["REQUEST_METHOD"] == "PUT"
        if not fails:
            return self._application(environ, start_response)  # type: ignore[no-any-return]
        if drawn < self.share / 2:
            # Done, but nobody hears of it.
            list(self._application(environ, lambda *_: None))
        start_response("503 Slow Down", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return [b""]


class Server:
    """A bucket named ``archive``."""

    def __init__(self, faults: Faulty, port: int) -> None:
        self.faults = faults
        self.options = {"endpoint_url": f"http://127.0.0.1:{port}", **KEYS}

    def wait_for_puts(self, count: int) -> None:
        """Wait until so many more objects were put; 30 s at most."""
        wanted, deadline = self.faults.n_put + count, time.monotonic() + 30
        while self.faults.n_put < wanted and time.monotonic() < deadline:
            time.sleep(0.01)

    @property
    def storage(self) -> str:
        """The options as the command line takes them."""
        return json.dumps(self.options)

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Every object below a prefix."""
        client, found = self._client(), {}
        for page in client.get_paginator("list_objects_v2").paginate(
            Bucket="archive", Prefix=f"{prefix}/"
        ):
            for one in page.get("Contents", ()):
                body = client.get_object(Bucket="archive", Key=one["Key"])["Body"].read()
                found[one["Key"].removeprefix(f"{prefix}/")] = body
        return found

    def change(self, name: str, data: bytes) -> None:
        """Put other bytes."""
        self._client().put_object(Bucket="archive", Key=name, Body=data)

    def _client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.options["endpoint_url"],
            aws_access_key_id=KEYS["key"],
            aws_secret_access_key=KEYS["secret"],
            region_name="us-east-1",
        )


@contextlib.contextmanager
def s3_server() -> Iterator[Server]:
    """Run a server while the block runs."""
    faults = Faulty(DomainDispatcherApplication(create_backend_app))
    running = make_server("127.0.0.1", 0, faults, threaded=True)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    server = Server(faults, running.server_port)
    server._client().create_bucket(Bucket="archive")
    try:
        yield server
    finally:
        running.shutdown()
        thread.join()
