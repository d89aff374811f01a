"""The benchmarks have one runner, their tables say where they come from, and the check can fail."""

from __future__ import annotations

import csv
import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
# Modules that measure nothing by themselves.
SHARED = {"run.py", "machine.py", "regression.py", "coder_peers.py", "coder_summary.py"}
SHARED |= {"head_mask.py", "loss_counts.py", "loss_scans.py", "loss_stores.py", "slow_s3.py"}
SHARED |= {"video_coders.py"}
SHARED |= {"noise_entropy.py", "label_peers.py", "volume_peers.py"}
# They need weights, or make them, or another build.
BY_HAND = {"neural_lossless.py", "neural_lossy.py", "train.py", "versus.py"}


def module(name: str):
    if str(BENCHMARKS) not in sys.path:
        sys.path.insert(0, str(BENCHMARKS))
    return importlib.import_module(name)


@pytest.fixture
def regression():
    return module("regression")


@pytest.fixture
def run():
    return module("run")


class FakeClock:
    """Time that passes only where a call says so."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def takes(self, duration: float):
        def work() -> None:
            self.now += int(duration * 1000)

        return work


NAME = "encode predict3d dense / zstd"


def judge(regression, times_frozen: float):
    clock = FakeClock()
    frozen = regression.FROZEN_TIME[NAME]
    run, reference = clock.takes(100 * frozen * times_frozen), clock.takes(100)
    return regression.judge_time(NAME, run, reference, clock=clock)


@pytest.mark.parametrize("times_frozen", [0.2, 1.0, 1.9])
def test_a_time_within_its_margin_holds(regression, times_frozen: float) -> None:
    verdict = judge(regression, times_frozen)
    assert verdict.holds
    assert verdict.found == pytest.approx(regression.FROZEN_TIME[NAME] * times_frozen, rel=1e-3)
    assert str(verdict).startswith("ok")


def test_a_call_made_slower_than_its_margin_fails(regression) -> None:
    verdict = judge(regression, 2.1)
    assert not verdict.holds
    assert str(verdict).startswith("FAIL")


def test_one_disturbed_try_does_not_fail(regression) -> None:
    clock, calls = FakeClock(), []
    frozen = regression.FROZEN_TIME[NAME]

    def disturbed_at_first() -> None:
        calls.append(1)
        slow = 50 if len(calls) <= 1 + regression.ROUNDS else 1
        clock.takes(100 * frozen * slow)()

    verdict = regression.judge_time(NAME, disturbed_at_first, clock.takes(100), clock=clock)
    assert verdict.holds
    assert len(calls) == 1 + 2 * regression.ROUNDS


@pytest.mark.parametrize("change", [-1, 1])
def test_one_byte_more_or_fewer_of_our_own_coders_fails(regression, change: int) -> None:
    name, frozen = next(iter(regression.FROZEN_NBYTES.items()))
    assert regression.judge_nbytes(name, frozen).holds
    assert not regression.judge_nbytes(name, frozen + change).holds


def test_bytes_against_another_library_may_shrink_and_not_grow(regression) -> None:
    name, frozen = next(iter(regression.FROZEN_SIZE.items()))
    assert regression.judge_size(name, frozen * 0.5).holds
    assert not regression.judge_size(name, frozen * 1.03).holds


@pytest.mark.parametrize("grown", [0, 1])
def test_the_check_ends_with_the_status_that_its_figures_deserve(
    regression, monkeypatch, capsys, grown: int
) -> None:
    name, frozen = next(iter(regression.FROZEN_NBYTES.items()))
    verdicts = [regression.judge_nbytes(name, frozen + grown)]
    monkeypatch.setattr(regression, "BYTES", (lambda: verdicts,))
    assert module("run").main(["--check"]) == grown
    assert name in capsys.readouterr().out


@pytest.mark.parametrize(("options", "status"), [([], 0), (["--times"], 1)])
def test_a_slow_machine_fails_only_a_check_of_times(
    regression, monkeypatch, options: list[str], status: int
) -> None:
    monkeypatch.setattr(regression, "BYTES", ())
    monkeypatch.setattr(regression, "TIMES", (lambda: [judge(regression, 2.1)],))
    assert module("run").main(["--check", *options]) == status


def test_times_without_a_check_are_refused(run, capsys) -> None:
    with pytest.raises(SystemExit):
        run.main(["--times"])
    assert "--check" in capsys.readouterr().err


def test_every_frozen_figure_is_measured(regression, monkeypatch) -> None:
    monkeypatch.setattr(regression, "time_ratio", lambda *_: 0.5)
    found = [verdict for group in regression.BYTES + regression.TIMES for verdict in group()]
    frozen = [*regression.FROZEN_NBYTES, *regression.FROZEN_SIZE, *regression.FROZEN_TIME]
    assert sorted(verdict.name for verdict in found) == sorted(frozen)
    assert all(verdict.holds for verdict in found)


def test_every_script_is_in_the_table_of_the_runner(run) -> None:
    scripts = {path.name for path in BENCHMARKS.glob("*.py")} - SHARED - BY_HAND
    assert {benchmark.script for benchmark in run.BENCHMARKS} == scripts
    names = [benchmark.name for benchmark in run.BENCHMARKS]
    assert len(set(names)) == len(names)


def write_script(folder: Path, text: str) -> str:
    script = folder / "small.py"
    script.write_text(text)
    return str(script)


PRINTS = "print('measure,value'); print('detect,1.5'); print('encode,2.5')"
WRITES = "import sys; open(sys.argv[1], 'w').write('measure,value\\ndetect,1.5\\n')"


@pytest.mark.parametrize(("text", "n_rows"), [(PRINTS, 2), (WRITES, 1)], ids=["prints", "writes"])
def test_a_table_says_machine_versions_and_commit(run, tmp_path, text: str, n_rows: int) -> None:
    arguments = () if text == PRINTS else (run.TABLE,)
    small = run.Benchmark("small", write_script(tmp_path, text), arguments, ("scipy",))
    assert run.run(small, tmp_path, tmp_path).startswith(f"ok: {n_rows} rows")
    with (tmp_path / "small.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["measure", "value", "machine", "versions", "commit"]
    assert [row["value"] for row in rows] == ["1.5", "2.5"][:n_rows]
    for row in rows:
        assert "cores" in row["machine"]
        assert "numpy" in row["versions"] and "scipy" in row["versions"]
        assert row["commit"]


def test_a_benchmark_that_fails_leaves_its_old_table(run, tmp_path) -> None:
    (tmp_path / "small.csv").write_text("old")
    script = write_script(tmp_path, PRINTS + "; raise SystemExit(3)")
    small = run.Benchmark("small", script)
    assert run.run(small, tmp_path, tmp_path) == "failed with status 3"
    assert (tmp_path / "small.csv").read_text() == "old"


def test_a_missing_package_is_named_with_its_pip_command(run, tmp_path) -> None:
    small = run.Benchmark("small", "small.py", needs=("numpy", "no-such-package"))
    assert run.run(small, tmp_path, tmp_path) == "not run: pip install no-such-package"


def test_an_unknown_benchmark_is_refused_with_the_known_ones(run, capsys) -> None:
    with pytest.raises(SystemExit):
        run.main(["no_such"])
    assert "region" in capsys.readouterr().err
