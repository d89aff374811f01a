"""The build compiles what has changed and nothing else, and its libraries export what is meant."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import needs
import pytest
from kernel_objects import Compiler, compile_changed, object_of, read_dependencies

from medroi import _kernel, plugins

SOURCES = {
    "base/one.c": '#include "base/shared.h"\nint one(void) { return SHARED; }\n',
    "base/two.c": '#include "base/outer.h"\nint two(void) { return SHARED; }\n',
    "codecs/two.c": "int three(void) { return 3; }\n",
    "base/outer.h": '#include "base/shared.h"\n',
    "base/shared.h": "#define SHARED 7\n",
}
ARCHS = ("x86_64", "aarch64")
OBJECTS = {"base-one.o", "base-two.o", "codecs-two.o"}


class Project:
    """A tree of C files, and which of them a build compiles."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in SOURCES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)

    def build(self, *arguments: str, identity: str = "1.0", jobs: int = 2) -> set[str]:
        """Build with these arguments; the names of the objects that were compiled."""
        compiled = []

        def run(command: list[str]) -> None:
            subprocess.run(command, check=True, cwd=self.root, stderr=subprocess.DEVNULL)
            compiled.append(Path(command[-1]).name)

        program = os.environ.get("CC", "cc").split()
        compiler = Compiler((*program, f"-I{self.root}", *arguments), identity, run)
        sources = sorted(self.root.rglob("*.c"))
        objects = compile_changed(compiler, sources, self.root, self.root / "objects", jobs)
        assert [file.name for file in objects] == [
            object_of(source, self.root, self.root).name for source in sources
        ]
        assert all(file.exists() for file in objects)
        assert len(compiled) == len(set(compiled))
        return set(compiled)

    def append(self, name: str, text: str) -> None:
        """Change one file, at a time after every build before."""
        with open(self.root / name, "a") as file:
            file.write(text)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    # A space, because such folders exist.
    return Project(tmp_path / "a project")


def test_the_first_build_compiles_everything(project: Project) -> None:
    assert project.build() == OBJECTS


def test_a_second_build_compiles_nothing(project: Project) -> None:
    project.build()
    assert project.build() == set()


def test_a_changed_source_is_compiled_alone(project: Project) -> None:
    project.build()
    project.append("codecs/two.c", "int four(void) { return 4; }\n")
    assert project.build() == {"codecs-two.o"}
    assert project.build() == set()


def test_a_changed_header_compiles_those_that_include_it(project: Project) -> None:
    project.build()
    project.append("base/shared.h", "#define OTHER 8\n")
    assert project.build() == {"base-one.o", "base-two.o"}
    project.append("base/outer.h", "#define OUTER 9\n")
    assert project.build() == {"base-two.o"}


def test_a_removed_header_compiles_those_that_included_it(project: Project) -> None:
    project.build()
    (project.root / "base/outer.h").unlink()
    with pytest.raises(subprocess.CalledProcessError):
        project.build()
    (project.root / "base/two.c").write_text("int two(void) { return 2; }\n")
    assert project.build() == {"base-two.o"}


@pytest.mark.parametrize(
    ("arguments", "identity"), [(["-DMORE=1"], "1.0"), (["-O2"], "1.0"), ([], "1.1")]
)
def test_other_macros_flags_or_compilers_compile_everything(
    project: Project, arguments: list[str], identity: str
) -> None:
    project.build()
    assert project.build(*arguments, identity=identity) == OBJECTS
    assert project.build(*arguments, identity=identity) == set()
    assert project.build() == OBJECTS


def test_what_failed_is_compiled_again(project: Project) -> None:
    project.build()
    project.append("base/one.c", "not C\n")
    for _ in range(2):
        with pytest.raises(subprocess.CalledProcessError):
            project.build()
    (project.root / "base/one.c").write_text(SOURCES["base/one.c"])
    assert project.build() == {"base-one.o"}


def test_objects_without_a_source_are_removed(project: Project) -> None:
    project.build()
    (project.root / "codecs/two.c").unlink()
    assert project.build() == set()
    left = {file.name for file in (project.root / "objects").glob("*.o")}
    assert left == {"base-one.o", "base-two.o"}


@pytest.mark.parametrize("jobs", [1, 3, 16])
def test_every_number_of_jobs_makes_the_same_objects(project: Project, jobs: int) -> None:
    project.build(jobs=1)
    folder = project.root / "objects"
    expected = {file.name: file.read_bytes() for file in folder.glob("*.o")}
    assert project.build("-DAGAIN=1", jobs=jobs) == OBJECTS
    assert {file.name: file.read_bytes() for file in folder.glob("*.o")} == expected


def test_dependencies_are_read_from_make_and_from_json() -> None:
    make = "a.o: src/a.c \\\n src/b\\ c.h \\\n src/d.h\n"
    assert read_dependencies(make) == ["src/a.c", "src/b c.h", "src/d.h"]
    json = r'{"Version": "1.1", "Data": {"Source": "a.c", "Includes": ["c:\\b c.h"]}}'
    assert read_dependencies(json) == ["a.c", "c:\\b c.h"]


def exported(library: Path) -> set[str]:
    """The names that a shared library gives to others."""
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", "-P", str(library)], capture_output=True, check=True
    )
    return {line.split()[0] for line in listed.stdout.decode().splitlines()}


def test_the_extension_exports_its_entry_point_alone() -> None:
    assert exported(Path(_kernel.__file__)) == {"PyInit__kernel"}


def test_the_plugin_exports_its_entry_points_alone() -> None:
    assert exported(Path(plugins.__file__).parent / "libh5medroi.so") == {
        "H5PLget_plugin_info",
        "H5PLget_plugin_type",
        "medroi_h5_get_interface",
    }


def test_the_libraries_carry_no_debug_information() -> None:
    for library in (_kernel.__file__, Path(plugins.__file__).parent / "libh5medroi.so"):
        sections = subprocess.run(
            ["readelf", "-S", "-W", str(library)], capture_output=True, check=True, text=True
        ).stdout
        assert ".dynsym" in sections
        assert ".symtab" not in sections
        assert ".debug_info" not in sections


@needs.cibuildwheel
@pytest.mark.parametrize(
    ("platform", "archs", "systems"),
    [
        ("linux", "x86_64,aarch64", {f"{c}linux_{a}" for c in ("many", "musl") for a in ARCHS}),
        ("macos", "x86_64,arm64", {"macosx_x86_64", "macosx_arm64"}),
    ],
)
def test_wheels_are_configured_for_every_system(
    platform: str, archs: str, systems: set[str]
) -> None:
    """A dry run: `cibuildwheel` names what it would build."""
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "cibuildwheel", "--print-build-identifiers"]
    ran = subprocess.run(
        [*command, "--platform", platform, "--archs", archs, str(root)],
        capture_output=True,
        text=True,
        check=True,
    )
    pythons = ("cp311", "cp312", "cp313", "cp314")
    assert set(ran.stdout.split()) == {f"{p}-{system}" for p in pythons for system in systems}


def test_the_workflow_builds_with_the_cibuildwheel_that_was_tried() -> None:
    root = Path(__file__).parents[1]
    found = [
        re.findall(r"cibuildwheel==([\d.]+)", (root / name).read_text())
        for name in ("pyproject.toml", ".github/workflows/wheels.yml")
    ]
    assert found[0] == found[1] and len(found[0]) == 1
