"""URLs: the file system of fsspec that one names, and the errors of its requests."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from medroi.errors import InvalidArgument, MedROIError
from medroi.scans.scan import require

_LOCAL = re.compile(r"(?:file|local)://(.*)", re.DOTALL)


class Unreachable(MedROIError):
    """A server that did not do what it was asked for; it may do so later."""


class _Reached(Protocol):
    url: str
    address: str


_Method = TypeVar("_Method", bound=Callable[..., Any])
_Given = TypeVar("_Given")
_Found = TypeVar("_Found")


def at_once(
    work: Callable[[_Given], _Found], given: Sequence[_Given], requests: int
) -> list[_Found]:
    """Do requests side by side, so many at a time; the first error comes when all have ended."""
    if len(given) <= 1:
        return [work(one) for one in given]
    with ThreadPoolExecutor(requests) as pool:
        return list(pool.map(work, given))


def reaching(method: _Method) -> _Method:
    """Let a method raise errors of this package or of the system alone."""

    @functools.wraps(method)
    def reached(place: _Reached, *given: Any) -> Any:
        try:
            return method(place, *given)
        except (MedROIError, OSError):
            raise
        except Exception as error:  # each kind of store has errors of its own
            text = str(error).replace(place.address, place.url)
            raise Unreachable(f"{place.url}: {type(error).__name__}: {text}") from error

    return cast("_Method", reached)


def files_of(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """The file system of a URL, which keeps no lists, and the path in it.

    Raises
    ------
    InvalidArgument
        Where it is no URL that fsspec knows, or the package of its kind is not installed.
    """
    fsspec = require("fsspec", without_secrets(url), "archive")
    found = urlsplit(url)
    if found.scheme in ("http", "https") and "@" in found.netloc:
        # A path of a web server is its whole URL, which errors name and an archive keeps.
        client = dict(options.get("client_kwargs", {}))
        client["headers"] = {**client.get("headers", {}), "Authorization": _login_of(found)}
        url, options = without_secrets(url), {**options, "client_kwargs": client}
    try:
        files, root = fsspec.core.url_to_fs(url, use_listings_cache=False, **options)
    except (ImportError, ValueError) as error:
        shown = without_secrets(url)
        raise InvalidArgument(
            f"{shown}: {str(error).replace(url, shown)}; install the package of this kind of URL, "
            "such as s3fs for s3://"
        ) from error
    except (MedROIError, OSError):
        raise
    except Exception as error:  # some kinds log in here already
        shown = without_secrets(url)
        text = str(error).replace(url, shown)
        raise Unreachable(f"{shown}: {type(error).__name__}: {text}") from error
    return files, str(root).rstrip("/")


def _login_of(url: SplitResult) -> str:
    """The header by which HTTP has a name and a password."""
    login = f"{unquote(url.username or '')}:{unquote(url.password or '')}"
    try:
        return f"Basic {base64.b64encode(login.encode('latin-1')).decode()}"
    except UnicodeEncodeError as error:
        raise InvalidArgument(
            "the name or the password in the URL has characters outside of Latin-1; give both by "
            "the options of the file system"
        ) from error


def local_path(url: str) -> str | None:
    """The path that a URL of this machine's files names; None of every other."""
    match = _LOCAL.fullmatch(url)
    return match[1] if match else None


def without_secrets(url: str) -> str:
    """A URL without the name and the password that may stand before its host.

    Of URLs one behind the other (``filecache::s3://...``) each has its own.
    """
    return "::".join(map(_without_login, url.split("::")))


def _without_login(url: str) -> str:
    found = urlsplit(url)
    return urlunsplit(found._replace(netloc=found.netloc.rpartition("@")[2]))
