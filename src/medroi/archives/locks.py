"""One run on one archive at a time; the parts of a run side by side.

A folder is locked by the operating system, which lets go when a process dies. An object store, and
a file system without locks, has a lease: an object with the name of its holder, who writes it anew
every few seconds. A lease of a process of this machine that is no more, and one that nobody renewed
while the newcomer watched it, is free.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from medroi.archives.place_local import LocalPlace
from medroi.archives.places import OWN, Place
from medroi.errors import MedROIError
from medroi.system import BINARY, is_running, try_lock

_RENEW_S = 10.0
_WATCH_S = 25.0
_WHOLE, _LEASES = "run", f"{OWN}/leases"
# Leases that runs of this process hold.
_HELD: set[object] = set()


class InUse(MedROIError):
    """Another run works on the same archive."""


@contextlib.contextmanager
def locked(place: Place, part: str = "") -> Iterator[None]:
    """Hold an archive, or one part of a run on it, while the block runs.

    Parameters
    ----------
    place : Place
    part : str
        ``"-part-1-of-4"``; empty for a run without parts.

    Raises
    ------
    InUse
        Where another run holds it: a whole one, or the same part; for a whole run any.
    """
    if isinstance(place, LocalPlace):
        folder = place.folder / OWN
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as held:
            try:
                shared = bool(part)
                _lock(held, os.fspath(folder / "lock"), place.url, shared=shared)
                if part:
                    _lock(held, os.fspath(folder / f"lock{part}"), place.url, shared=False)
            except OSError:
                held.enter_context(_lease(place, part))
            yield
        return
    with _lease(place, part):
        yield


def is_in_use(place: Place) -> bool:
    """Whether a run, a part of one or prune works on an archive, as far as one can see."""
    if isinstance(place, LocalPlace):
        names = [name for name in place.names(OWN) if name.startswith("lock")]
        if any(_is_locked(place.folder / OWN / name) for name in names):
            return True
    try:
        leases = place.names(_LEASES)
    except (OSError, NotImplementedError):  # HTTP has no lists
        return False
    found = (place.read(f"{_LEASES}/{name}") for name in leases)
    return any(text is not None and not _is_of_the_dead(_holder(text)) for text in found)


def _is_locked(file: Path) -> bool:
    try:
        descriptor = os.open(file, os.O_RDONLY | BINARY)
    except OSError:
        return False
    try:
        return not try_lock(descriptor, shared=True)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _lock(held: contextlib.ExitStack, name: str, url: str, *, shared: bool) -> None:
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | BINARY, 0o666)
    held.callback(os.close, descriptor)
    if not try_lock(descriptor, shared=shared):
        raise _in_use(url, "another process")


def _in_use(url: str, who: str) -> InUse:
    return InUse(
        f"{url}: {who} works on this archive; wait until it has ended, or share the work by "
        "--part I/N (part=)"
    )


@contextlib.contextmanager
def _lease(place: Place, part: str) -> Iterator[None]:
    own = f"{_LEASES}/{part.lstrip('-') or _WHOLE}.json"
    for name in place.names(_LEASES):
        other = f"{_LEASES}/{name}"
        if not part or other == own or name == f"{_WHOLE}.json":
            _wait_until_free(place, other)
    holder = {"host": socket.gethostname(), "pid": os.getpid(), "id": uuid.uuid4().hex}
    if not place.create(own, _text(holder, 0)):
        raise _in_use(place.url, "another process")
    stop = threading.Event()
    _HELD.add(holder["id"])
    renewing = threading.Thread(target=_renew, args=(place, own, holder, stop), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        stop.set()
        renewing.join()
        _HELD.discard(holder["id"])
        with contextlib.suppress(Exception):  # whoever comes next finds that its holder is gone
            place.remove(own)


def _wait_until_free(place: Place, name: str) -> None:
    """Remove a lease that nobody holds any more; refuse where somebody does."""
    found = place.read(name)
    if found is None:
        return
    holder = _holder(found)
    if holder.get("host") == socket.gethostname():
        is_held = not _is_of_the_dead(holder)
    else:
        deadline, is_held = time.monotonic() + _WATCH_S, False
        while time.monotonic() < deadline and not is_held:
            time.sleep(min(1.0, _WATCH_S / 10))
            is_held = place.read(name) != found
    if is_held:
        who = f"process {holder.get('pid')} of {holder.get('host')}"
        raise _in_use(place.url, who)
    place.remove(name)


def _holder(found: bytes) -> dict[str, object]:
    try:
        holder = json.loads(found)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _is_of_the_dead(holder: dict[str, object]) -> bool:
    """Whether a lease is of a process of this machine that is no more, or holds it no more."""
    if holder.get("host") != socket.gethostname():
        return False
    # One of our own that could not be removed when it ended is held by nobody.
    is_own = holder.get("pid") == os.getpid()
    return not (holder.get("id") in _HELD if is_own else _is_running(holder.get("pid")))


def _is_running(pid: object) -> bool:
    return isinstance(pid, int) and pid > 0 and is_running(pid)


def _renew(place: Place, name: str, holder: dict[str, object], stop: threading.Event) -> None:
    count = 0
    while not stop.wait(_RENEW_S):
        count += 1
        with contextlib.suppress(Exception):  # a network that fails once must not end the run
            place.write(name, _text(holder, count))


def _text(holder: dict[str, object], count: int) -> bytes:
    return json.dumps({**holder, "renewed": count}).encode()
