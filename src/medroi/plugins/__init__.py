"""The plugin's folder, and how every libhdf5 of this process and of its children gets the plugin.

Light on purpose: `import medroi` runs this, and most programs that do have no HDF5 loaded.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from medroi.plugins import environment

__all__ = ["plugin_path", "register", "register_now_and_later", "register_quietly"]

_FOLDER = Path(__file__).resolve().parent
_LIBRARY = _FOLDER / ("libh5medroi.dll" if os.name == "nt" else "libh5medroi.so")
# Windows gives what is loaded already, whatever the mode.
_LOADED_ALREADY = getattr(os, "RTLD_NOLOAD", 0) | getattr(os, "RTLD_LAZY", 0)
# Address of a library's H5PLprepend -> the library; each is called once.
_called: dict[int, Any] = {}


def plugin_path() -> str:
    """The folder to put into HDF5_PLUGIN_PATH."""
    return str(_FOLDER)


def library_path() -> str:
    """The plugin's file.

    Raises
    ------
    InnerUnavailable
        Where this installation has none.
    """
    from medroi.errors import InnerUnavailable

    if not _LIBRARY.exists():
        raise InnerUnavailable(
            f"this installation of medroi has no HDF5 plugin ({_LIBRARY} is missing): "
            "pip install --force-reinstall medroi"
        )
    return str(_LIBRARY)


def register() -> list[str]:
    """Give the plugin to every libhdf5 that this process has loaded, ready to write and to read.

    Processes that this one starts find it through HDF5_PLUGIN_PATH.

    Returns
    -------
    list of str
        The libraries that know it now.

    Raises
    ------
    InnerUnavailable
        Where this installation has no plugin.
    """
    library_path()
    if environment.is_set():
        environment.put_first(plugin_path())
    paths = _loaded_hdf5()
    if not paths:
        return []
    from medroi.plugins import host

    host.serve()
    called = [path for path in paths if _call(path)]
    if called:
        environment.put_first(plugin_path(), _folders())
    return called


def register_quietly() -> None:
    """`register`, for the import of a package: nothing here may make that fail."""
    try:
        register()
    except Exception:  # whatever it was, `import medroi.hdf5` says it
        return


def register_now_and_later() -> None:
    """`register`, also for libraries that are imported after this."""
    from medroi.plugins import imports

    register_quietly()
    imports.watch()


def libraries() -> list[Any]:
    """The libraries that were called, as ctypes sees them."""
    return list(_called.values())


def h5py_lock() -> Any:
    """h5py's lock around HDF5, which it holds where it lets go of the GIL."""
    from contextlib import nullcontext

    return getattr(sys.modules.get("h5py._objects"), "phil", nullcontext())


def _loaded_hdf5() -> list[str]:
    """Paths of the loaded libraries that may be, or lead to, a libhdf5."""
    if sys.platform == "darwin":
        paths = _images_of_dyld()
    elif sys.platform == "win32":
        paths = _modules_of_windows()
    else:
        try:
            lines = Path("/proc/self/maps").read_text(errors="surrogateescape").splitlines()
        except OSError:
            return []
        paths = [line.split(maxsplit=5)[-1] for line in lines if "hdf5" in line]
    names = {path for path in paths if "hdf5" in os.path.basename(path).lower()}
    return sorted(path for path in names if os.path.isabs(path) and path != str(_LIBRARY))


def _images_of_dyld() -> list[str]:
    import ctypes

    process = ctypes.CDLL(None)
    process._dyld_get_image_name.restype = ctypes.c_char_p
    count = process._dyld_image_count()
    names = (process._dyld_get_image_name(ctypes.c_uint32(index)) for index in range(count))
    return [name.decode(errors="surrogateescape") for name in names if name]


def _modules_of_windows() -> list[str]:
    import ctypes
    from ctypes import wintypes

    library = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    library.GetCurrentProcess.restype = wintypes.HANDLE
    process, needed = wintypes.HANDLE(library.GetCurrentProcess()), wintypes.DWORD()
    modules = (wintypes.HMODULE * 4096)()
    if not library.K32EnumProcessModules(
        process, modules, ctypes.sizeof(modules), ctypes.byref(needed)
    ):
        return []
    count = min(len(modules), needed.value // ctypes.sizeof(wintypes.HMODULE))
    text = ctypes.create_unicode_buffer(32768)
    found = []
    for module in modules[:count]:
        if library.K32GetModuleFileNameExW(process, wintypes.HMODULE(module), text, len(text)):
            found.append(text.value)
    return found


def _call(path: str) -> bool:
    import ctypes

    try:
        # PyDLL keeps the GIL: no other Python thread can be inside HDF5 meanwhile.
        library = ctypes.PyDLL(path, mode=_LOADED_ALREADY)
        prepend = library.H5PLprepend
    except (OSError, AttributeError):
        return False
    address = ctypes.cast(prepend, ctypes.c_void_p).value
    if address in _called:
        return True
    prepend.argtypes = [ctypes.c_char_p]
    with h5py_lock():
        # The path is for a library that starts anew. A known path loads nothing before the first
        # read, and HDF5 does not look for filters when it writes: so the filter itself, too.
        if prepend(os.fsencode(_FOLDER)) < 0 or library.H5Zregister(_filter_class()) < 0:
            return False
    _called[address or 0] = library
    return True


def _filter_class() -> Any:
    import ctypes

    get_class = ctypes.CDLL(library_path()).H5PLget_plugin_info
    get_class.restype = ctypes.c_void_p
    return ctypes.c_void_p(get_class())


def _folders() -> list[str]:
    """Every folder in which one of the libraries looks for plugins."""
    import ctypes

    found = []
    for library in libraries():
        count, text = ctypes.c_uint(), ctypes.create_string_buffer(4096)
        get = library.H5PLget
        get.restype = ctypes.c_ssize_t
        get.argtypes = [ctypes.c_uint, ctypes.c_char_p, ctypes.c_size_t]
        if library.H5PLsize(ctypes.byref(count)) < 0:
            continue
        for index in range(count.value):
            if 0 < get(index, text, len(text)) < len(text):
                found.append(os.fsdecode(text.value))
    return found
