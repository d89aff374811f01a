"""The rules of the house hold, and the check of them notices when they do not."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def load_checks():
    spec = importlib.util.spec_from_file_location(
        "check_imports", ROOT / "scripts" / "check_imports.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


checks = load_checks()

SOUND_TREE = {
    "src/medroi/__init__.py": "from medroi.numcodecs_face import MedROI\n__all__ = ['MedROI']\n",
    "src/medroi/errors.py": "",
    "src/medroi/_kernel.pyx": "",
    "src/medroi/arrays.py": "from medroi import _kernel\nfrom medroi.errors import CorruptStream\n",
    "src/medroi/roi.py": "from medroi import arrays\n",
    "src/medroi/stream.py": "from medroi import _kernel, arrays\n",
    "src/medroi/inner/__init__.py": "from medroi.inner.base import InnerCodec\n",
    "src/medroi/inner/base.py": "",
    "src/medroi/inner/packed.py": "from medroi.inner.base import InnerCodec\n",
    "src/medroi/inner/raw.py": "",
    "src/medroi/inner/zstd.py": "from medroi.inner.packed import pack\n",
    "src/medroi/inner/neural/one.py": "from medroi.inner.neural.shared import code\n",
    "src/medroi/inner/neural/shared.py": "def code():\n    import torch\n",
    "src/medroi/codec.py": "from medroi import inner, roi, stream\n",
    "src/medroi/numcodecs_face.py": "from medroi import codec\n",
    "src/medroi/zarr.py": "import zarr\nfrom medroi import codec\n",
    "src/medroi/scans/formats/nifti.py": "def read():\n    import nibabel\n",
    "src/medroi/scans/__init__.py": "from medroi.scans.pack import pack\n__all__ = ['pack']\n",
    "src/medroi/scans/pack.py": "import medroi\n",
    "src/medroi/cli/__init__.py": "import medroi\nfrom medroi.scans import nifti\n",
    "src/medroi/compare/running.py": "from medroi.scans import nifti\n",
    "src/medroi/training/loop.py": "from medroi.inner.neural.shared import code\n",
    "src/medroi/cli/compare.py": "def run():\n    from medroi.compare import running\n",
    "src/medroi/cli/weights.py": "def run():\n    from medroi.inner.neural import shared\n",
    "src/kernel/base/kernel.h": "#include <stdint.h>\n",
    "src/kernel/base/layout.h": '#include "base/kernel.h"\n',
    "src/kernel/stream/stream.h": '#include "base/kernel.h"\n',
    "src/kernel/codecs/inner.h": '#include "base/kernel.h"\n',
    "src/kernel/codecs/zstd.c": '#include "codecs/inner.h"\n',
    "src/kernel/codecs/jpeg2000/jpeg2000.h": '#include "base/kernel.h"\n',
    "src/kernel/codecs/wavelet3d/wavelet3d.c": '#include "codecs/inner.h"\n',
    "src/kernel/region/region.c": '#include "base/layout.h"\n',
    "src/kernel/engine/pipeline.c": '#include "stream/stream.h"\n#include "codecs/inner.h"\n',
    "benchmarks/run.py": "from medroi import MedROI, inspect\nimport medroi.zarr\n",
    "benchmarks/scans.py": "from medroi.scans import pack\n",
}

BREACHES = {
    "a region that knows the stream": ("src/medroi/roi.py", "from medroi import stream"),
    "a stream that knows the codec": ("src/medroi/stream.py", "from medroi.codec import encode"),
    "an inner codec that knows another": ("src/medroi/inner/zstd.py", "import medroi.inner.raw"),
    "an inner codec that knows the region": ("src/medroi/inner/raw.py", "import medroi.roi"),
    "a binding that knows another": ("src/medroi/zarr.py", "from medroi import numcodecs_face"),
    "a module that imports the package": ("src/medroi/codec.py", "from medroi import MedROI"),
    "a relative import": ("src/medroi/codec.py", "from . import roi"),
    "a heavy library at the top": ("src/medroi/scans/formats/nifti.py", "import nibabel.nicom"),
    "a heavy library in a class": ("src/medroi/codec.py", "class A:\n    import torch"),
    "zarr outside its binding": ("src/medroi/scans/formats/nifti.py", "from zarr import open"),
    "a core that knows a learned codec": (
        "src/medroi/codec.py",
        "def late():\n    from medroi.inner.neural import shared",
    ),
    "an inner codec that knows a learned one": (
        "src/medroi/inner/__init__.py",
        "from medroi.inner.neural.shared import code",
    ),
    "a core that knows the training": ("src/medroi/scans/pack.py", "import medroi.training.loop"),
    "a core that knows the comparison": (
        "src/medroi/__main__.py",
        "from medroi.compare import running",
    ),
    "a command line that imports the comparison at its start": (
        "src/medroi/cli/compare.py",
        "from medroi.compare import running",
    ),
    "a module without a layer": ("src/medroi/extra.py", ""),
    "a kernel file that knows Python": ("src/kernel/region/region.c", "#include <Python.h>"),
    "a kernel region that knows the stream": (
        "src/kernel/region/region.c",
        '#include "stream/stream.h"',
    ),
    "a kernel stream that knows the inner codecs": (
        "src/kernel/stream/stream.h",
        '#include "codecs/inner.h"',
    ),
    "a kernel codec that knows the stream": (
        "src/kernel/codecs/wavelet3d/wavelet3d.c",
        '# include "stream/stream.h"',
    ),
    "a kernel codec that knows another": (
        "src/kernel/codecs/predict3d/predict3d.c",
        '#include "codecs/jpeg2000/jpeg2000.h"',
    ),
    "a kernel header named from its folder": ("src/kernel/base/layout.h", '#include "kernel.h"'),
    "a kernel folder without a place": ("src/kernel/extra/extra.c", ""),
    "a benchmark of what is private": ("benchmarks/run.py", "from medroi import _kernel"),
    "a benchmark of a module of a binding": (
        "benchmarks/run.py",
        "import medroi.scans.formats.nifti",
    ),
    "a benchmark of an inner module": ("benchmarks/run.py", "from medroi.inner import make"),
}


def write_tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_the_source_keeps_its_rules() -> None:
    assert checks.find_violations(ROOT) == []


def test_a_sound_tree_passes(tmp_path: Path) -> None:
    write_tree(tmp_path, SOUND_TREE)
    assert checks.find_violations(tmp_path) == []


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.replace(" ", "-"))
def test_every_broken_rule_is_found(tmp_path: Path, breach: str) -> None:
    name, line = BREACHES[breach]
    write_tree(tmp_path, {**SOUND_TREE, name: SOUND_TREE.get(name, "") + line + "\n"})
    (found,) = checks.find_violations(tmp_path)
    assert str(tmp_path / name) in found


@pytest.mark.parametrize("text", ["see {}/notes.md", '"{}"', "cd {} && ls"])
def test_a_path_of_one_machine_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "page.md").write_text(text.format("/" + "work"))
    (tmp_path / "sound.md").write_text(".github/workflows, ../work, a/work/b, /workspace")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    (found,) = checks.check_paths(tmp_path)
    assert found.startswith(str(tmp_path / "page.md"))


def test_importing_medroi_imports_no_heavy_library() -> None:
    script = "import json, sys, medroi; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    loaded = set(json.loads(ran.stdout))
    assert "medroi" in loaded
    assert loaded.isdisjoint({*checks.HEAVY, "numcodecs"})


def test_the_command_line_imports_what_reads_scans_only_for_a_command_that_does() -> None:
    script = (
        "import json, sys, medroi.cli; medroi.cli.build_parser(); "
        "print(json.dumps(sorted(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    loaded = set(json.loads(ran.stdout))
    assert "medroi.cli" in loaded
    assert loaded.isdisjoint({*checks.HEAVY, "numcodecs", "medroi.scans", "medroi.archives"})


def test_the_version_is_in_the_changelog() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text()


QUESTIONS = ("What", "Which", "How")


def docstrings(source: str) -> list[str]:
    """Every docstring of a module, its own first."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, documented))
    return [text for node in nodes if (text := ast.get_docstring(node))]


def questions_of_python(source: str) -> list[str]:
    return [text for text in docstrings(source) if text.split()[0] in QUESTIONS]


def questions_of_cython(source: str) -> list[str]:
    return re.findall(rf'^\s*"""(?:{"|".join(QUESTIONS)})\b.*', source, re.MULTILINE)


def questions_of_c(source: str) -> list[str]:
    return re.findall(rf"^\s*/\* (?:{'|'.join(QUESTIONS)})\b.*", source, re.MULTILINE)


@pytest.mark.parametrize(
    ("folder", "pattern", "questions_of"),
    [
        ("src/medroi", "*.py", questions_of_python),
        ("src/medroi", "*.pyx", questions_of_cython),
        ("src/kernel", "*.[ch]", questions_of_c),
    ],
)
def test_no_docstring_or_comment_opens_as_a_question(folder, pattern, questions_of) -> None:
    found = {
        str(file.relative_to(ROOT)): asked
        for file in sorted((ROOT / folder).rglob(pattern))
        if (asked := questions_of(file.read_text()))
    }
    assert found == {}


def test_a_question_is_found() -> None:
    assert questions_of_python('def f():\n    """What it gives."""\n') == ["What it gives."]
    assert questions_of_cython('def f():\n    """Which ones."""\n') == ['    """Which ones."""']
    assert questions_of_c("    /* Which ones. */\nint n; /* How many */\n") == [
        "    /* Which ones. */"
    ]
    assert not questions_of_python('"""Whatever."""\n')


# Words of an earlier vocabulary, and where they mean something else or are an alias that is read.
BANNED = {
    r"outline": r"outline: 2px|bar\.outline",
    r"\btold\b": None,
    r"\b_?(?:un)?settle[ds]?\b|settle_": None,
    r"\bfilled\b|filled_|_filled": r"strongest\.filled",
    r"\barrows?\b": None,
    r"\bfaces?\b|_faces?\b": r"of the volume|every face|its faces|numcodecs_face|test_faces_agree|"
    r"faces_agree|[Aa] face, or a|a face or a|Faces, burnt|face was|faces = \[|face\.ravel",
    r"hull": r"[\"`]hull\b|-hull|\bhull-|\*hull|say_hull|hull_is_read|hull,|or hull$",
    r"part tables?\b|parts of the payload": None,
}
# Vectors of other projects, and streams that were written once.
NOT_READ = ("tests/golden/", "tests/parity/")
READ = re.compile(
    r"(src|filters|scripts|tests|benchmarks|docs|examples)/.*\.(py|pyx|c|h|sh|md|css)"
)


def words_in(text: str) -> list[str]:
    """The lines of a text that have a banned word."""
    return [
        line
        for line in text.splitlines()
        for word, meaning in BANNED.items()
        if re.search(word, line, re.IGNORECASE) and not (meaning and re.search(meaning, line))
    ]


def test_no_text_has_a_word_of_the_earlier_vocabulary() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    pages = [name for name in listed if "/" not in name and name.endswith(".md")]
    files = [name for name in listed if READ.fullmatch(name) and not name.startswith(NOT_READ)]
    files = [name for name in files if name != "tests/test_house.py"]
    found = {
        name: lines
        for name in [*pages, *files]
        if (ROOT / name).exists() and (lines := words_in((ROOT / name).read_text()))
    }
    assert len(files) > 300
    assert found == {}


def test_a_word_of_the_earlier_vocabulary_is_found() -> None:
    assert len(words_in("the HDF5 face\nan outline\nis told\nhull_of\nthe part table")) == 5
    assert not words_in('roi="hull" is read\nthe faces of the volume\nnarrow\nfulfilled\n')


def names_of_scripts() -> dict[str, set[str]]:
    """Scripts and benchmarks that scripts, workflows and pages name, with the files that do."""
    found: dict[str, set[str]] = {}
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("js/*.md")]
    programs = [*ROOT.glob("scripts/*"), *ROOT.glob("js/*.sh"), *ROOT.glob(".github/workflows/*")]
    for file in [*pages, *(path for path in programs if path.is_file())]:
        for name in re.findall(
            r"\b((?:scripts|benchmarks)/\w+\.(?:sh|py|mjs))\b", file.read_text()
        ):
            found.setdefault(name, set()).add(str(file.relative_to(ROOT)))
    return found


def test_every_script_that_is_named_is_there() -> None:
    named = names_of_scripts()
    assert len(named) >= 20
    assert not {name: files for name, files in named.items() if not (ROOT / name).is_file()}
