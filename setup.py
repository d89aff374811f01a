"""Build the kernel once, and link it into the Python extension and the HDF5 plugin.

pyproject.toml holds everything else.
"""

import glob
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# A build backend runs this file without its folder on the path.
sys.path.insert(0, str(Path(__file__).resolve().parent / "scripts"))
import windows_target
from kernel_objects import Compiler, compile_changed

EXTENSION = "medroi._kernel"
PLUGIN = "medroi.plugins.libh5medroi"
KERNEL = Path("src/kernel")
FILTERS = Path("filters")

ON_WINDOWS = sys.platform == "win32"
# Contracted multiplications and additions would round differently from one machine to the next.
COMPILE_ARGS = ["-std=c11", "-O3", "-ffp-contract=off", "-pthread", "-fvisibility=hidden", "-g0"]
LINK_ARGS = ["-pthread"]
if windows_target.IS_TARGET:
    COMPILE_ARGS, LINK_ARGS = windows_target.COMPILE_ARGS, windows_target.LINK_ARGS
elif ON_WINDOWS:
    COMPILE_ARGS, LINK_ARGS = ["/std:c11", "/fp:precise"], []
elif sys.platform == "linux":
    # Libraries that are linked statically export their names otherwise.
    LINK_ARGS += ["-Wl,-s", "-Wl,--exclude-libs,ALL"]

# The C library that the package brings beside the extension, for `medroi config`. Its names are
# exported; --exclude-libs hides them in the extension and the plugin, which link the same objects.
IS_FOR_LINUX = sys.platform == "linux" and not windows_target.IS_TARGET
LIBRARY = "libmedroi.so.0" if IS_FOR_LINUX else None

# One wheel serves every Python from 3.11 on; the free-threaded ones have no stable ABI yet.
STABLE_ABI = not sysconfig.get_config_var("Py_GIL_DISABLED")

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


def static_libraries(prefix: Path) -> tuple[list[str], list[str]]:
    """Folders of headers and files of all optional libraries below a folder, for wheels.

    None may be absent: a wheel must not lack a codec because of how its build went.
    """
    files = [prefix / "lib" / f"lib{library}.a" for _, _, library in OPTIONAL_LIBRARIES]
    absent = [str(file) for file in files if not file.exists()]
    if absent:
        raise SystemExit(f"MEDROI_STATIC_LIBRARIES: {', '.join(absent)} not found")
    folders = [prefix / "include", *prefix.glob("include/openjpeg-*")]
    return [str(folder) for folder in folders], [str(file) for file in files]


def version_of(program: list[str]) -> str:
    """What a compiler says of itself; its path, which has the version, where it says nothing."""
    words = program[: next((i for i, w in enumerate(program) if w[0] in "-/" and i), None)]
    asked = subprocess.run([*words, "--version"], capture_output=True, text=True)
    return asked.stdout or str(words)


class BuildMedroi(build_ext):
    """Find out which optional libraries this machine has, and build."""

    def get_ext_filename(self, fullname: str) -> str:
        """The HDF5 plugin is no Python module: its name must be plain."""
        is_plugin = fullname.split(".")[-1] == PLUGIN.split(".")[-1]
        if windows_target.IS_TARGET:
            return windows_target.file_name(fullname, is_plugin=is_plugin)
        if is_plugin:
            return fullname.replace(".", "/") + ".so"
        return super().get_ext_filename(fullname)

    def get_export_symbols(self, ext: Extension) -> list[str]:
        """The HDF5 plugin marks its own."""
        return [] if ext.name == PLUGIN else super().get_export_symbols(ext)

    def build_extensions(self) -> None:
        self.static_libraries: list[str] = []
        self.shared_libraries: list[str] = []
        if prefix := os.environ.get("MEDROI_STATIC_LIBRARIES"):
            # OpenJPEG's header would look for a DLL on Windows without the last.
            macros = [(macro, "1") for macro, _, _ in OPTIONAL_LIBRARIES] + [("OPJ_STATIC", "1")]
            folders, self.static_libraries = static_libraries(Path(prefix))
        else:
            macros, folders, self.shared_libraries = self._find_libraries()
        # Objects stay here, whichever temporary folder the rest of the build goes through.
        self.objects = Path(self.get_finalized_command("build").build_base, "objects")
        shared = [("MEDROI_SHARED", "1")] if LIBRARY else []
        kernel = self._compile(
            "kernel", sorted(KERNEL.rglob("*.c")), KERNEL, macros + shared, folders
        )
        self.kernel_library = self._archive(kernel)
        super().build_extensions()
        if LIBRARY:
            self._link_library(kernel, Path(self.build_lib, "medroi"))

    def build_extension(self, ext: Extension) -> None:
        sources = [Path(source) for source in ext.sources]
        folders = [*ext.include_dirs, *self.include_dirs]
        python_libraries = []
        if windows_target.IS_TARGET:
            folders.insert(0, str(windows_target.HEADERS))
        name = ext.name.split(".")[-1]
        objects = self._compile(name, sources, Path(), ext.define_macros, folders)
        if windows_target.IS_TARGET and ext.name == EXTENSION:
            python_libraries = [windows_target.python_library(objects)]
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        self.compiler.link_shared_object(
            [*objects, self.kernel_library, *self.static_libraries, *python_libraries],
            str(target),
            libraries=[*self.shared_libraries, *self.get_libraries(ext)],
            extra_postargs=LINK_ARGS,
            export_symbols=self.get_export_symbols(ext),
            build_temp=self.build_temp,
            target_lang="c",
        )

    def copy_extensions_to_source(self) -> None:
        # A file of an older build whose tag Python prefers would be imported in place of the new.
        for file in Path("src/medroi").glob("_kernel.*.so"):
            file.unlink()
        super().copy_extensions_to_source()
        for name in ("lib", "include") if LIBRARY else ():
            shutil.copytree(
                Path(self.build_lib, "medroi", name), Path("src/medroi", name), dirs_exist_ok=True
            )

    def _compile(
        self, name: str, sources: list[Path], root: Path, macros: list, folders: list[str]
    ) -> list[str]:
        is_msvc = self.compiler.compiler_type == "msvc"
        if is_msvc and not self.compiler.initialized:
            self.compiler.initialize()
        program = (
            [self.compiler.cc, *self.compiler.compile_options]
            if is_msvc
            else list(self.compiler.compiler_so)
        )
        defined = [f"-D{macro}={value}" for macro, value in macros]
        included = [f"-I{folder}" for folder in [KERNEL, *folders]]
        compiler = Compiler(
            command=(*program, *COMPILE_ARGS, *defined, *included),
            identity=version_of(program),
            run=self.compiler.spawn,
            is_msvc=is_msvc,
        )
        jobs = self.parallel or os.cpu_count() or 1
        return [
            str(file)
            for file in compile_changed(compiler, sources, root, self.objects / name, jobs)
        ]

    def _link_library(self, objects: list[str], package: Path) -> None:
        """Put the C library and its header into the package."""
        for name in ("lib", "include"):
            (package / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(KERNEL / "include" / "medroi.h", package / "include")
        self.compiler.link_shared_object(
            [*objects, *self.static_libraries],
            str(package / "lib" / LIBRARY),
            libraries=[*self.shared_libraries, "m"],
            extra_postargs=[*LINK_ARGS, f"-Wl,-soname,{LIBRARY}"],
        )

    def _archive(self, objects: list[str]) -> str:
        """The static library of the kernel, without what an older one had."""
        library = Path(self.compiler.library_filename("medroi", output_dir=str(self.objects)))
        library.unlink(missing_ok=True)
        self.compiler.create_static_lib(objects, "medroi", output_dir=str(self.objects))
        return str(library)

    def _find_libraries(self) -> tuple[list[tuple[str, str]], list[str], list[str]]:
        """Macros, folders of headers, and names of the libraries that are here and wanted."""
        macros, folders, libraries = [], [], []
        for macro, header, library in OPTIONAL_LIBRARIES:
            if library in os.environ.get("MEDROI_WITHOUT", "").split(","):
                continue
            own = header_folders(library)
            if self._links(header, library, own):
                macros.append((macro, "1"))
                folders.extend(own)
                libraries.append(library)
        return macros, folders, libraries

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


extensions = cythonize(
    Extension(
        EXTENSION,
        ["src/medroi/_kernel.pyx"],
        define_macros=[("Py_LIMITED_API", "0x030B0000")] if STABLE_ABI else [],
        include_dirs=[str(FILTERS)],
        py_limited_api=STABLE_ABI,
        libraries=[] if ON_WINDOWS else ["m"],
    ),
    compiler_directives={"language_level": "3"},
)
# The HDF5 plugin finds its libhdf5 through dlfcn.h.
if not ON_WINDOWS:
    extensions.append(
        Extension(
            PLUGIN,
            sorted(str(file) for file in FILTERS.glob("*.c")),
            include_dirs=[str(FILTERS)],
            libraries=["m"],
        )
    )

setup(
    cmdclass={"build_ext": BuildMedroi},
    ext_modules=extensions,
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE_ABI else {},
)
