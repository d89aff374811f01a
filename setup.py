"""Build the kernel as one Cython extension; pyproject.toml holds everything else."""

import os
import sys
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PLUGIN = "medroi.plugins.libh5medroi"
KERNEL_SOURCES = sorted(str(path) for path in Path("src/kernel").glob("*.c"))

# Libraries that add native inner codecs: macro, header, library. An absent one is left out.
OPTIONAL_LIBRARIES = (
    ("MEDROI_HAVE_ZLIB", "zlib.h", "z"),
    ("MEDROI_HAVE_ZSTD", "zstd.h", "zstd"),
)

HEADERS = sorted(
    str(path) for folder in ("src/kernel", "filters") for path in Path(folder).glob("*.h")
)
PLUGIN_SOURCES = sorted(str(path) for path in Path("filters").glob("*.c"))

COMPILE_ARGS = ["-std=c11", "-O3", "-ffp-contract=off", "-pthread"]
if sys.platform == "win32":
    COMPILE_ARGS = []
LINK_ARGS = [arg for arg in COMPILE_ARGS if arg == "-pthread"]


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
            if self._links(header, library):
                ext.define_macros.append((macro, "1"))
                ext.libraries.append(library)
        shared = self.build_temp
        # Both extensions compile the kernel: each into a folder of its own.
        self.build_temp = os.path.join(shared, ext.name)
        super().build_extension(ext)
        self.build_temp = shared

    def _links(self, header: str, library: str) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text(f"#include <{header}>\nint main(void) {{ return 0; }}\n")
            try:
                objects = self.compiler.compile([str(source)], output_dir=folder)
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
