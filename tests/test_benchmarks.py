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
SHARED |= {"lossy_crops.py", "video_coders.py", "coder_page.py", "scan_sets.py", "tables.py"}
SHARED |= {"curves.py", "noise_entropy.py", "label_peers.py", "volume_peers.py"}
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


@pytest.fixture(scope="module")
def coder_page():
    return module("coder_page")


def page_of_peers() -> str:
    return (BENCHMARKS.parent / "docs" / "peers.md").read_text()


@pytest.mark.parametrize("name", ["lossless", "lossy", "small", "small-mask", "settings"])
def test_the_page_of_other_coders_has_the_tables_of_the_benchmark(coder_page, name: str) -> None:
    table = coder_page.tables()[name]
    assert f"<!-- {name} -->\n{table}\n<!-- /{name} -->" in page_of_peers()


def test_the_page_says_which_lossless_peers_are_smaller(coder_page) -> None:
    behind = [row for row in coder_page.read("coders_behind.csv") if "dB" not in row["ours"]]
    found = {(row["ours"].removeprefix("predict3d-"), row["set"]) for row in behind}
    text = " ".join(page_of_peers().split())
    assert "No peer is smaller than `dense` or `max` on any of these volumes" in text
    assert found == {("fast", "mammo")}
    worst = max(float(row["ours_over_peer"]) for row in behind)
    assert f"`fast` is up to {100 * (worst - 1):.1f} % larger than one on the mammogram" in text


def test_the_readme_says_by_how_much_video_coders_are_smaller(coder_page) -> None:
    rows = coder_page.read("coders.csv")
    text = " ".join((BENCHMARKS.parent / "README.md").read_text().split())
    fewer = {
        peer: {s: f"{100 * (1 - 1 / x):.0f} %" for s, x in found.items()}
        for peer in coder_page.VIDEO
        for found in [coder_page.shares(rows, peer, "40.0")]
    }
    x265, av1 = fewer["x265"], fewer["svt-av1"]
    assert (
        f"at 40 dB x265 (`veryslow`) takes {x265['ct']} fewer on CT, {x265['thick']} on thick "
        f"slices, {x265['mri_brain']} on brains and {x265['mri_head']} on heads; "
        f"SVT-AV1 (preset 3) {av1['ct']}, {av1['thick']}, {av1['mri_brain']} and {av1['mri_head']}"
    ) in text


def test_the_readme_says_where_small_takes_fewer_bytes_than_x265(coder_page) -> None:
    ours, peers = (coder_page.read(f"lossy_{name}.csv") for name in ("ours", "x265"))
    over = {s: 100 * (x - 1) for s, x in coder_page.without_air(ours, peers)[40.0].items()}
    text = " ".join((BENCHMARKS.parent / "README.md").read_text().split())
    assert (
        f"`wavelet3d` takes {-over['fmri']:.0f} % fewer than x265 on a series, "
        f"{-over['mri_brain']:.0f} % fewer on brains and {-over['mri_head']:.0f} % fewer on heads, "
        f"but {over['ct']:.0f} % more on CT and {over['thick']:.0f} % more on thick slices"
    ) in text


def test_the_page_of_regions_says_what_a_mask_costs_a_lossy_codec() -> None:
    with (BENCHMARKS / "mask_rate.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    over, side, payload = (
        {
            t: [100 * float(r[name]) for r in rows if r["psnr_dB"] == t]
            for t in ("35.0", "40.0", "45.0")
        }
        for name in ("over_whole", "side_share", "payload_over_whole")
    )
    least, most = ({t: pick(x) - 100 for t, x in over.items()} for pick in (min, max))
    text = " ".join((BENCHMARKS.parent / "docs" / "regions.md").read_text().split())
    assert f"{least['35.0']:.1f} to {most['35.0']:.1f} % more bytes with a mask" in text
    for t in ("40.0", "45.0"):
        among = f"at {float(t):g} dB from {-least[t]:.1f} % fewer to {most[t]:.1f} % more"
        assert among in text
    assert f"Up to {max(side['35.0']):.1f} % of the stream is where the mask lies" in text
    assert f"up to {max(map(max, payload.values())) - 100:.1f} % more is its edge" in text


def test_bytes_between_two_points_of_a_curve_rise_with_quality_and_end_with_it() -> None:
    bytes_at = module("curves").bytes_at
    points = [(30.0, 1000), (36.0, 2500), (41.0, 9000), (50.0, 20000)]
    assert [bytes_at(points, at) for at, _ in points] == pytest.approx([n for _, n in points])
    between = [bytes_at(points, 30 + i / 4) for i in range(81)]
    assert between == sorted(between)
    assert bytes_at(points, 29.9) is None
    assert bytes_at(points, 50.1) is None


def test_a_peer_that_is_smaller_is_listed_and_one_that_was_not_measured_is_not() -> None:
    row = {"kind": "lossless", "set": "ct", "volume": "a"}
    rows = [
        {**row, "codec": "predict3d-dense", "bytes": 100},
        {**row, "codec": "predict3d-fast", "bytes": 120},
        {**row, "codec": "jpegls", "bytes": 110},
        {**row, "codec": "ffv1", "note": "not measured: no ffmpeg"},
        {**row, "kind": "lossy", "codec": "x265", "target_dB": 40.0, "ours_over_peer": 1.25},
        {**row, "kind": "lossy", "codec": "sperr", "target_dB": 40.0, "ours_over_peer": 0.7},
    ]
    found = [
        (r["peer"], r["ours"], r["ours_over_peer"]) for r in module("coder_summary").behind(rows)
    ]
    assert found == [
        ("jpegls", "predict3d-fast", 1.0909),
        ("x265", "wavelet3d at 40 dB", 1.25),
    ]
