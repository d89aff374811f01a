#!/usr/bin/env python3
"""Check who imports whom: the layers of CONTRIBUTING.md, in Python and in the kernel.

A module that is not in the tables below is a finding too: say where it belongs.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# A module imports only modules of lower layers. A folder counts as one module.
LAYERS = {
    "errors": 0,
    "system": 0,
    "_kernel": 1,
    "values": 1,
    "working_memory": 1,
    "processes": 1,
    "peak_memory": 1,
    "pages": 1,
    "arrays": 2,
    "selection": 2,
    "threads": 2,
    "options": 2,
    "decoded": 3,
    "roi": 3,
    "stream": 3,
    "inner": 3,
    "metrics": 3,
    "scan_region": 4,
    "given_mask": 4,
    "whole": 4,
    "verify": 4,
    "training": 4,
    "hosting": 4,
    "codec": 5,
    "fit": 5,
    "settings": 6,
    "plugins": 7,
    "binding": 7,
    "numcodecs_face": 8,
    "zarr": 8,
    "hdf5": 9,
    "": 9,  # medroi/__init__.py
    "scans": 10,
    "readers": 11,
    "archives": 11,
    "serving": 11,
    "compare": 11,
    "cli": 12,
    "__main__": 13,
}
# What stands beside the core, which imports none of it; the command line does so only inside the
# functions of the commands that need it.
BESIDE_THE_CORE = (["inner", "neural"], ["training"], ["archives"], ["compare"])
# Files of medroi.inner that its codecs may import.
INNER_SHARED = {"base", "forking", "packed", "registry", "slices", "search", "spelling", "trust"}

# Imported inside the function that needs them; the second: the module that binds them.
HEAVY = {
    "torch": None,
    "glymur": None,
    "pillow_heif": None,
    "imagecodecs": None,
    "nibabel": None,
    "nrrd": None,
    "zstandard": None,
    "tifffile": None,
    "zlib_ng": None,
    "SimpleITK": None,
    "pydicom": None,
    "dask": None,
    "xarray": "readers",
    "monai": "readers",
    "torchio": "readers",
    "pyarrow": None,
    "fsspec": None,
    "distributed": None,
    "matplotlib": None,
    "scipy": None,
    "PIL": None,
    "pywt": None,
    "tqdm": None,
    "compressai": None,
    "h5py": "hdf5",
    "zarr": "zarr",
}

# Files of PyTorch modules: they import torch, and are themselves as heavy as it.
NETWORK = re.compile(r"network\w*")

PUBLIC = {
    "medroi",
    "medroi.errors",
    "medroi.roi",
    "medroi.cli",
    "medroi.zarr",
    "medroi.hdf5",
    "medroi.metrics",
    "medroi.readers",
    "medroi.archives",
    "medroi.scans",
    "medroi.training",
}

# Folders of the kernel, and those whose headers each may include beside its own.
KERNEL_FOLDERS = {
    "base": {"include"},
    "entropy": {"base"},
    "grid": {"base"},
    "mask": {"base", "entropy", "grid"},
    "region": {"base", "grid", "mask"},
    "stream": {"base", "mask"},
    "codecs": {"base", "entropy"},
    "include": set[str](),
    "engine": {"base", "mask", "region", "stream", "codecs"},
}
# Inner codecs know what codecs share, in `codecs` itself and in these folders, and no other codec;
# predict3d is shared since wavelet3d leaves to it what it codes in fewer bytes.
SHARED_BY_CODECS = {"codecs", "codecs/valuemap", "codecs/predict3d"}

ENDINGS = ("", ".py", ".pyx")

# Spelled so that this file does not contain it.
MACHINE_PATH = re.compile(r"(?<![\w.\-/])/" + r"work\b")


def imports(tree: ast.Module) -> Iterator[tuple[str, int, bool]]:
    """Give every imported name, its line, and whether importing the file runs the import."""
    stack: list[tuple[ast.AST, bool]] = [(tree, True)]
    while stack:
        node, runs = stack.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno, runs) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            yield from ((f"{origin}.{alias.name}", node.lineno, runs) for alias in node.names)
        inside = runs and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        inside = inside and not (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        )
        stack.extend((child, inside) for child in ast.iter_child_nodes(node))


def resolve(name: str, package: Path) -> list[str]:
    """The parts below `medroi` of the module that holds a name: [] for medroi/__init__.py."""
    parts: list[str] = []
    for part in name.split(".")[1:]:
        if not any((package.joinpath(*parts) / f"{part}{end}").exists() for end in ENDINGS):
            break
        parts.append(part)
    return parts


def check_module(file: Path, package: Path) -> Iterator[str]:
    """Give what one file of the package imports against the rules."""
    own = [*file.relative_to(package).with_suffix("").parts]
    own = own[:-1] if own[-1] == "__init__" else own
    layer = own[0] if own else ""
    if layer not in LAYERS:
        yield f"{file}: a new module: name its layer in scripts/check_imports.py"
        return
    for name, line, runs in imports(ast.parse(file.read_text(), str(file))):
        where, library = f"{file}:{line}", name.split(".")[0]
        if not library:
            yield f"{where}: a relative import; spell the module's whole name"
        elif library == "medroi":
            target = resolve(name, package)
            # The package names for type checkers what it hands out when it is asked for.
            if not may_import(own, target) and (own or runs):
                yield f"{where}: {name} is not below {'.'.join(['medroi', *own])}"
            elif is_beside(target) and not (is_beside(own) or (layer == "cli" and not runs)):
                yield f"{where}: {name} stands beside the core, which must work without it"
            elif runs and is_network(target) and not is_network(own):
                yield f"{where}: {name} brings torch: import it inside the function that needs it"
        elif library == "torch" and is_network(own):
            continue
        elif runs and library in HEAVY and HEAVY[library] != layer:
            yield f"{where}: {library} is heavy: import it inside the function that needs it"


def is_beside(parts: list[str]) -> bool:
    """Whether a module, as parts below `medroi`, is no part of the core."""
    return any(parts[: len(folder)] == folder for folder in BESIDE_THE_CORE)


def is_network(parts: list[str]) -> bool:
    """Whether a module, as parts below `medroi`, is a file of PyTorch modules."""
    return parts[:2] == ["inner", "neural"] and any(map(NETWORK.fullmatch, parts[2:]))


def may_import(own: list[str], target: list[str]) -> bool:
    """Whether the layers let one module import another; both as names below `medroi`."""
    layer, target_layer = (own or [""])[0], (target or [""])[0]
    if layer != target_layer:
        return target_layer in LAYERS and LAYERS[target_layer] < LAYERS[layer]
    if layer != "inner" or len(own) == 1 or len(target) == 1:
        return True
    return target[1] in INNER_SHARED or (target[1] == own[1] and len(own) > 2)


def check_benchmark(file: Path, package: Path) -> Iterator[str]:
    """Give what a benchmark imports that is not public."""
    for name, line, _ in imports(ast.parse(file.read_text(), str(file))):
        if name.split(".")[0] != "medroi":
            continue
        parent, _, last = name.rpartition(".")
        module = ".".join(["medroi", *resolve(name, package)])
        # A name may be that of a module and of the function in it that the package exports.
        listed = parent in PUBLIC and last in exported(package.joinpath(*resolve(parent, package)))
        if not (listed or (module in PUBLIC and not last.startswith("_"))):
            yield f"{file}:{line}: {name} is not public"


def exported(folder: Path) -> set[str]:
    """The names in `__all__` of a package."""
    init = folder / "__init__.py"
    tree = ast.parse(init.read_text() if init.exists() else "")
    lists = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    return {name for value in lists for name in ast.literal_eval(value)}


def check_kernel_file(file: Path, kernel: Path) -> Iterator[str]:
    """Give what one file of the kernel includes against the rules."""
    own = file.relative_to(kernel).parent.as_posix()
    group = own.split("/")[0]
    if group not in KERNEL_FOLDERS:
        yield f"{file}: a new folder: name what it may include in scripts/check_imports.py"
        return
    for number, text in enumerate(file.read_text().splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', text)
        if not found:
            continue
        where, folder = f"{file}:{number}", Path(found[2]).parent.as_posix()
        if found[1] == "<":
            if re.match(r"(Python|hdf5|H5\w*)\.h$", found[2]):
                yield f"{where}: the kernel knows neither Python nor HDF5"
        elif not (kernel / found[2]).exists():
            yield f"{where}: name {found[2]} from src/kernel on"
        elif folder.split("/")[0] not in {group, *KERNEL_FOLDERS[group]}:
            yield f"{where}: {group} includes {found[2]}, which is not below it"
        elif is_others_codec(own, folder):
            yield f"{where}: only the files of {folder} include {found[2]}"


def is_others_codec(own: str, folder: str) -> bool:
    """Whether a folder is an inner codec's, of which a file in another codec's must not know."""
    both = own.startswith("codecs/") and folder.startswith("codecs/")
    return both and folder not in {own, *SHARED_BY_CODECS}


def check_paths(root: Path) -> Iterator[str]:
    """Give the tracked text files that name a folder of one machine."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True
    )
    for file in (root / name for name in listed.stdout.split("\0") if name):
        content = file.read_bytes() if file.is_file() else b""
        if b"\0" in content:
            continue
        for number, text in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            if MACHINE_PATH.search(text):
                yield f"{file}:{number}: a path of one machine"


def find_violations(root: Path) -> list[str]:
    """All that is against the rules in a source tree."""
    package = root / "src" / "medroi"
    found: list[str] = []
    for file in sorted(package.rglob("*.py")):
        found += check_module(file, package)
    kernel = root / "src" / "kernel"
    for file in sorted(kernel.rglob("*.[ch]")):
        found += check_kernel_file(file, kernel)
    for file in sorted((root / "benchmarks").rglob("*.py")):
        found += check_benchmark(file, package)
    return found


def main() -> int:
    """Print what is found; 1 where something is."""
    root = Path(__file__).resolve().parent.parent
    found = [*find_violations(root), *check_paths(root)]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
