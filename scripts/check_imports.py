#!/usr/bin/env python3
"""Check who imports whom: the arrows of CONTRIBUTING.md, in Python and in the kernel.

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
    "_kernel": 1,
    "arrays": 2,
    "selection": 2,
    "decoded": 3,
    "roi": 3,
    "stream": 3,
    "inner": 3,
    "metrics": 3,
    "verify": 4,
    "training": 4,
    "codec": 5,
    "fit": 5,
    "settings": 6,
    "plugins": 7,
    "numcodecs_face": 7,
    "zarr": 7,
    "hdf5": 8,
    "": 8,  # medroi/__init__.py
    "scans": 9,
    "compare": 10,
    "cli": 11,
    "__main__": 12,
}
# Files of medroi.inner that its codecs may import.
INNER_SHARED = {"base", "forking", "packed", "slices", "search", "spelling", "trust"}

# Imported inside the function that needs them; the second: the module whose face they are.
HEAVY = {
    "torch": None,
    "glymur": None,
    "pillow_heif": None,
    "imagecodecs": None,
    "nibabel": None,
    "pydicom": None,
    "dask": None,
    "xarray": None,
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
    "medroi.zarr",
    "medroi.hdf5",
    "medroi.metrics",
    "medroi.scans",
    "medroi.training",
}

# Files of the kernel by group. `base` serves all, `pipeline` puts them together, and the groups in
# between do not know each other. What is in no group is an inner codec's.
KERNEL_GROUPS = {
    "base": r"(medroi|bytes|layout|crc32|error|parallel|range_coder)\w*",
    "region": r"(region|rows|select|source|background|differs|miss|otsu|threshold|hull|opening)\w*"
    r"|roi\w*",
    "stream": r"stream\w*",
    "pipeline": r"(pipeline|settings)",
}
KERNEL_CODECS = ("raw", "deflate", "zstd", "jpeg2000", "wavelet3d", "predict3d")

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
            if not may_import(own, target):
                yield f"{where}: {name} is not below {'.'.join(['medroi', *own])}"
            elif runs and is_network(target) and not is_network(own):
                yield f"{where}: {name} brings torch: import it inside the function that needs it"
        elif library == "torch" and is_network(own):
            continue
        elif runs and library in HEAVY and HEAVY[library] != layer:
            yield f"{where}: {library} is heavy: import it inside the function that needs it"


def is_network(parts: list[str]) -> bool:
    """Whether a module, as parts below `medroi`, is a file of PyTorch modules."""
    return parts[:2] == ["inner", "neural"] and any(map(NETWORK.fullmatch, parts[2:]))


def may_import(own: list[str], target: list[str]) -> bool:
    """Whether the arrows let one module import another; both as parts below `medroi`."""
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


def kernel_group(stem: str) -> str:
    """The group of a file of the kernel."""
    return next(
        (group for group, names in KERNEL_GROUPS.items() if re.fullmatch(names, stem)), "inner"
    )


def check_kernel_file(file: Path) -> Iterator[str]:
    """Give what one file of the kernel includes against the rules."""
    group = kernel_group(file.stem)
    reachable = {"base", group} if group != "pipeline" else {"base", "region", "stream", "inner"}
    for number, text in enumerate(file.read_text().splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', text)
        if not found:
            continue
        where, stem = f"{file}:{number}", Path(found[2]).stem
        if found[1] == "<":
            if re.match(r"(Python|hdf5|H5\w*)\.h$", found[2]):
                yield f"{where}: the kernel knows neither Python nor HDF5"
        elif kernel_group(stem) not in reachable:
            yield f"{where}: {group} includes {found[2]} of {kernel_group(stem)}"
        else:
            owner = next((codec for codec in KERNEL_CODECS if stem.startswith(codec)), None)
            if owner and not file.stem.startswith(owner):
                yield f"{where}: only the files of {owner} include {found[2]}"


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
    for file in sorted((root / "src" / "kernel").glob("*.[ch]")):
        found += check_kernel_file(file)
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
