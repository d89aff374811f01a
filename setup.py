"""Build the kernel as one Cython extension; pyproject.toml holds everything else."""

import os
import sys
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNEL_SOURCES = sorted(str(path) for path in Path("src/kernel").glob("*.c"))

# Libraries that add native inner codecs: macro, header, library. An absent one is left out.
OPTIONAL_LIBRARIES = (
    ("MEDROI_HAVE_ZLIB", "zlib.h", "z"),
    ("MEDROI_HAVE_ZSTD", "zstd.h", "zstd"),
)

COMPILE_ARGS = [] if sys.platform == "win32" else ["-std=c11", "-O3", "-ffp-contract=off"]


class BuildKernel(build_ext):
    """Find out which optional libraries this machine has, then build."""

    def build_extension(self, ext: Extension) -> None:
        for macro, header, library in OPTIONAL_LIBRARIES:
            if library in os.environ.get("MEDROI_WITHOUT", "").split(","):
                continue
            if self._links(header, library):
                ext.define_macros.append((macro, "1"))
                ext.libraries.append(library)
        super().build_extension(ext)

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


setup(
    cmdclass={"build_ext": BuildKernel},
    ext_modules=cythonize(
        Extension(
            "medroi._kernel",
            ["src/medroi/_kernel.pyx", *KERNEL_SOURCES],
            include_dirs=["src/kernel"],
            extra_compile_args=COMPILE_ARGS,
        ),
        compiler_directives={"language_level": "3"},
    ),
)
