"""Build the kernel as one Cython extension; pyproject.toml holds everything else."""

import glob
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PLUGIN = "medroi.plugins.libh5medroi"
KERNEL_SOURCES = sorted(str(path) for path in Path("src/kernel").rglob("*.c"))

# Libraries that add native inner codecs: macro, header, library. An absent one is left out.
OPTIONAL_LIBRARIES = (
    ("MEDROI_HAVE_ZLIB", "zlib.h", "z"),
    ("MEDROI_HAVE_ZSTD", "zstd.h", "zstd"),
    ("MEDROI_HAVE_OPENJPEG", "openjpeg.h", "openjp2"),
)
# OpenJPEG's headers lie in a folder that carries its version.
HEADER_FOLDERS = {
    "openjp2": (
        "/usr/include/openjpeg-*",
        "/usr/local/include/openjpeg-*",
        "/opt/homebrew/include/openjpeg-*",
    )
}

HEADERS = sorted(
    str(path) for folder in ("src/kernel", "filters") for path in Path(folder).rglob("*.h")
)
PLUGIN_SOURCES = sorted(str(path) for path in Path("filters").glob("*.c"))

COMPILE_ARGS = ["-std=c11", "-O3", "-ffp-contract=off", "-pthread"]
if sys.platform == "win32":
    COMPILE_ARGS = []
LINK_ARGS = [arg for arg in COMPILE_ARGS if arg == "-pthread"]


def header_folders(library: str) -> list[str]:
    """Folders of a library's headers, beside those that every compiler knows."""
    if library not in HEADER_FOLDERS:
        return []
    try:
        answer = subprocess.run(
            ["pkg-config", "--cflags-only-I", f"lib{library}"], capture_output=True, text=True
        )
    except OSError:
        answer = None
    if answer is not None and answer.returncode == 0:
        return [flag.removeprefix("-I") for flag in answer.stdout.split()]
    return sorted(path for pattern in HEADER_FOLDERS[library] for path in glob.glob(pattern))


class BuildKernel(build_ext):
    """Find out which optional libraries this machine has, then build."""

    def get_ext_filename(self, fullname: str) -> str:
        """The HDF5 plugin is no Python module: its name must be plain."""
        if fullname.split(".")[-1] == PLUGIN.split(".")[-1]:
            return fullname.replace(".", "/") + ".so"
        return super().get_ext_filename(fullname)

    def get_export_symbols(self, ext: Extension) -> list[str]:
        """The HDF5 plugin marks its own."""
        return [] if ext.name == PLUGIN else super().get_export_symbols(ext)

    def build_extension(self, ext: Extension) -> None:
        for macro, header, library in OPTIONAL_LIBRARIES:
            if library in os.environ.get("MEDROI_WITHOUT", "").split(","):
                continue
            folders = header_folders(library)
            if self._links(header, library, folders):
                ext.define_macros.append((macro, "1"))
                ext.libraries.append(library)
                ext.include_dirs.extend(folders)
        shared = self.build_temp
        # Both extensions compile the kernel: each into a folder of its own.
        self.build_temp = os.path.join(shared, ext.name)
        super().build_extension(ext)
        self.build_temp = shared

    def _links(self, header: str, library: str, folders: list[str]) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text(f"#include <{header}>\nint main(void) {{ return 0; }}\n")
            try:
                objects = self.compiler.compile(
                    [str(source)], output_dir=folder, include_dirs=folders
                )
                self.compiler.link_executable(objects, "probe", folder, libraries=[library])
            except Exception:  # every compiler class raises errors of its own
                return False
        return True


# The HDF5 plugin finds its libhdf5 through dlfcn.h.
PLUGIN_EXTENSIONS = [
    Extension(
        PLUGIN,
        [*PLUGIN_SOURCES, *KERNEL_SOURCES],
        include_dirs=["src/kernel", "filters"],
        extra_compile_args=[*COMPILE_ARGS, "-fvisibility=hidden"],
        depends=HEADERS,
        libraries=["m"],
        extra_link_args=LINK_ARGS,
    )
]
if sys.platform == "win32":
    PLUGIN_EXTENSIONS = []

setup(
    cmdclass={"build_ext": BuildKernel},
    ext_modules=[
        *cythonize(
            Extension(
                "medroi._kernel",
                ["src/medroi/_kernel.pyx", *KERNEL_SOURCES],
                include_dirs=["src/kernel"],
                depends=HEADERS,
                extra_compile_args=COMPILE_ARGS,
                extra_link_args=LINK_ARGS,
            ),
            compiler_directives={"language_level": "3"},
        ),
        *PLUGIN_EXTENSIONS,
    ],
)
