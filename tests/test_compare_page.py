"""The page of a comparison holds all of it, is sound HTML, and asks nothing of a network."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import re
import shutil
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from compare_report import (
    FAILURES,
    MACHINE,
    METHODS,
    MISSING,
    SCANS,
    TESTS,
    read_csv,
    results,
    write_report,
)

from medroi.compare import drawing, plots
from medroi.compare.page import write_page
from medroi.compare.page_data import read_report
from medroi.compare.page_savings import headline, savings
from medroi.compare.panel_figure import error_limit, read_slice
from medroi.compare.rate_distortion import points_of
from medroi.compare.results import ResultRow, read_results, write_results
from medroi.errors import InnerUnavailable, InvalidArgument
from medroi.pages.cells import NOTHING

XHTML = "{http://www.w3.org/1999/xhtml}"
TEXTS = {field.name for field in dataclasses.fields(ResultRow) if field.type == "str"}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("report") / "report"
    write_report(made)
    write_page(made)
    return made


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tree(page: str) -> ElementTree.Element:
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))


class Elements(HTMLParser):
    """Every element of a page as an HTML parser sees it, and the depth at the end."""

    VOID = frozenset({"meta", "img", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        assert tag in self.VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def elements(page: str) -> Elements:
    parser = Elements()
    parser.feed(page)
    parser.close()
    return parser


def one_line(value: str) -> str:
    return " ".join(value.replace("\0", "�").split())


def words_of(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def section(tree: ElementTree.Element, key: str) -> ElementTree.Element:
    return next(e for e in tree.iter(f"{XHTML}section") if e.get("id") == key)


def lines_of(element: ElementTree.Element) -> list[list[str]]:
    bodies = element.iter(f"{XHTML}tbody")
    return [[words_of(cell) for cell in line] for body in bodies for line in body]


def test_the_page_is_sound_html_and_xml(tree, elements: Elements) -> None:
    assert tree.tag == f"{XHTML}html"
    assert elements.open == []
    keys = [value for _, name, value in elements.attributes if name == "id"]
    assert len(set(keys)) == len(keys)


def test_every_row_of_every_table_has_a_cell_for_every_column(tree) -> None:
    tables = list(tree.iter(f"{XHTML}table"))
    assert len(tables) >= 7
    for table in tables:
        n_columns = len(list(table.iter(f"{XHTML}th")))
        assert {len(line) for line in lines_of(table)} == {n_columns}


def test_nothing_refers_outside_the_page(page: str, elements: Elements) -> None:
    for tag, name, value in elements.attributes:
        if name in ("src", "href", "srcset", "action", "data", "poster", "background"):
            assert value.startswith(("data:image/png;base64,", "#")), (tag, name)
        assert not name.startswith("on")
    text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
    # The names of XHTML's own elements: no address that anything is fetched from.
    text = text.replace('xmlns="http://www.w3.org/1999/xhtml"', "", 1)
    assert not re.search(r"https?:|//[a-z0-9]+\.|@import|url\(|<link|<iframe|<object", text)
    assert "default-src 'none'" in text


def test_every_anchor_has_its_section(elements: Elements) -> None:
    keys = {value for _, name, value in elements.attributes if name == "id"}
    anchors = {
        value[1:] for tag, name, value in elements.attributes if (tag, name) == ("a", "href")
    }
    assert anchors
    assert anchors <= keys


def test_the_figures_are_in_the_page_as_they_are_beside_it(page: str, folder: Path) -> None:
    inlined = [base64.b64decode(data) for data in re.findall(r"base64,([A-Za-z0-9+/=]+)", page)]
    assert inlined == [(folder / name).read_bytes() for name in ("rd.png", "panel.png")]
    assert all(image.startswith(PNG) for image in inlined)


def test_every_row_of_the_results_is_there_with_every_value(tree, folder: Path) -> None:
    found = lines_of(section(tree, "rows"))
    expected = read_csv(folder / "results.csv")
    assert len(found) == len(expected)
    for line, row in zip(found, expected, strict=True):
        for shown, (name, value) in zip(line, row.items(), strict=True):
            if name in TEXTS:
                assert shown == one_line(value)
            elif value in ("", "inf"):
                assert shown == {"": NOTHING, "inf": "∞"}[value]
            else:
                assert float(shown) == pytest.approx(float(value), rel=1e-5)


def test_every_failure_and_every_missing_number_is_listed_with_its_reason(tree) -> None:
    text = words_of(section(tree, "missing"))
    for failure in FAILURES:
        assert failure.path in text
        assert one_line(failure.reason) in text
    assert MISSING[2] in text
    assert "not reached: 49.10 dB" in text
    assert "matched quality" in text


def test_every_test_is_there_and_the_significant_one_stands_out(tree) -> None:
    tests = section(tree, "tests")
    lines = lines_of(tests)
    assert len(lines) == len(TESTS)
    named = ["heads", "jpeg2000", "rate 20", "medroi", "compression_ratio", "full-box", "5"]
    assert lines[0][:7] == named
    assert lines[0][7:] == ["1.250", "1.210", "9.10", "0.0008", "0.0032", "4.07"]
    assert lines[2][7:] == [NOTHING] * 6
    assert [words_of(strong) for strong in tests.iter(f"{XHTML}b")] == ["0.0032"]


def test_machine_versions_and_definitions_are_there(tree) -> None:
    machine = words_of(section(tree, "machine"))
    for name in ("machine", "python", "medroi", "commit"):
        assert MACHINE[name] in machine
    assert "numpy 2.4.6" in machine
    terms = [words_of(term) for term in section(tree, "definitions").iter(f"{XHTML}dt")]
    heads = {words_of(next(iter(h))) for h in section(tree, "summary").iter(f"{XHTML}th")}
    for term in (
        "compression ratio",
        "bpv, volume",
        "bpv, region",
        "PSNR",
        "SSIM",
        "miss rate",
        "brightest dropped",
    ):
        assert term in terms
        assert term in heads


def test_both_protocols_stand_side_by_side(tree) -> None:
    published = section(tree, "published")
    lines = lines_of(published)
    lossy = [method for method in METHODS if method[0] == "jpeg2000"]
    assert len(lines) == len(SCANS) * len(lossy)
    assert "does not store" in words_of(published)
    heads = [words_of(head) for head in published.iter(f"{XHTML}th")]
    assert "ratio, published full" in heads and "ratio, medroi box" in heads


def test_savings_are_taken_at_one_quality_only(folder: Path) -> None:
    found = savings(read_report(folder))
    lossless = found["heads", "zstd", "lossless"]
    shares = {region: [s.share for s in by] for region, by in lossless.items()}
    # The full volume of the first scan has no number: nothing can be said of its regions.
    assert shares["box"] == pytest.approx([0.8, 0.8], rel=1e-3)
    assert shares["mask"] == pytest.approx([0.55, 0.55], rel=1e-3)
    rate = found["heads", "jpeg2000", "rate 20"]
    assert [saving.share for saving in rate["box"]] == pytest.approx([0.93] * 3, rel=1e-3)
    # What did not reach the quality does not count.
    assert len(found["breasts", "wavelet3d", "psnr 50"]["mask"]) == 1
    box, mask = headline(read_report(folder))
    assert (box[0], mask[0]) == ("box", "mask")
    assert box[2] == pytest.approx(0.8 * 0.93, rel=1e-3)


def test_a_lossless_psnr_is_never_averaged(tree) -> None:
    lines = lines_of(section(tree, "summary"))
    for line in lines:
        assert (line[7] == "∞") == (line[1] == "lossless")


def test_the_points_are_means_over_the_scans_of_one_data_set() -> None:
    rows = [
        row
        for row in results()
        if (row.data_set, row.inner, row.level) == ("heads", "jpeg2000", "rate 20")
    ]
    ours = [row for row in rows if row.protocol == "medroi" and row.region == "box"]
    (point,) = [p for p in points_of(rows, "heads") if p.region == "box"]
    assert point.bits_per_voxel == pytest.approx(np.mean([row.bpv_volume for row in ours]))
    assert point.psnr_db == pytest.approx(np.mean([row.psnr_db for row in ours]))
    assert points_of(rows, "breasts") == []


def test_a_plot_without_a_figure_to_draw_is_refused(tmp_path: Path) -> None:
    rows = [ResultRow("a", "b", "medroi", "tcm", "weights", "full", "not installed")]
    with pytest.raises(InvalidArgument, match="no row has"):
        plots.plot_rate_distortion(rows, tmp_path / "rd.png")
    assert not (tmp_path / "rd.png").exists()


def test_equal_rows_give_equal_pictures(folder: Path, tmp_path: Path) -> None:
    plots.plot_rate_distortion(read_results(folder / "results.csv"), tmp_path / "rd.png")
    assert (tmp_path / "rd.png").read_bytes() == (folder / "rd.png").read_bytes()
    plots.plot_panel(folder / "state" / "panel.npz", tmp_path / "panel.png")
    assert (tmp_path / "panel.png").read_bytes() == (folder / "panel.png").read_bytes()


def test_the_slice_is_read_by_codec_level_and_region(folder: Path) -> None:
    shown = read_slice(folder / "state" / "panel.npz")
    assert list(shown.decoded) == [("jpeg2000", "rate 20"), ("wavelet3d", "psnr 45")]
    assert all(list(regions) == ["full", "box", "mask"] for regions in shown.decoded.values())
    errors = [
        np.abs(array.astype(float) - shown.original)[shown.mask]
        for regions in shown.decoded.values()
        for array in regions.values()
    ]
    assert error_limit(shown) == np.percentile(np.concatenate(errors), 99.5)


def test_a_slice_that_lies_upside_down_is_turned_with_all_that_belongs_to_it(
    folder: Path, tmp_path: Path
) -> None:
    lying = read_slice(folder / "state" / "panel.npz")
    with np.load(folder / "state" / "panel.npz") as archive:
        np.savez(tmp_path / "panel.npz", **archive, flip=True, aspect=1.5)
    upright = read_slice(tmp_path / "panel.npz")
    assert np.array_equal(upright.original, lying.original[::-1])
    assert np.array_equal(upright.mask, lying.mask[::-1])
    n_rows = len(lying.original)
    assert upright.box == (n_rows - lying.box[1], n_rows - lying.box[0], *lying.box[2:])
    for method, regions in lying.decoded.items():
        for region, array in regions.items():
            assert np.array_equal(upright.decoded[method][region], array[::-1])
    assert upright.aspect == 1.5


def test_a_lossless_codec_stays_one_where_its_region_leaves_voxels_out() -> None:
    rows = [row for row in results() if (row.inner, row.data_set) == ("predict3d", "heads")]
    missed = [
        dataclasses.replace(row, psnr_db=70.0) if row.region == "box" else row for row in rows
    ]
    assert [point.psnr_db for point in points_of(missed, "heads")] == [math.inf] * 3


@pytest.mark.parametrize("broken", ["missing", "shape"])
def test_a_slice_that_is_not_whole_is_refused(folder: Path, tmp_path: Path, broken: str) -> None:
    with np.load(folder / "state" / "panel.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    if broken == "missing":
        del arrays["mask"]
    else:
        arrays["decoded/jpeg2000/rate 20/box"] = np.zeros((3, 3))
    np.savez(tmp_path / "panel.npz", **arrays)
    with pytest.raises(InvalidArgument, match=r"mask|rate 20/box"):
        plots.plot_panel(tmp_path / "panel.npz", tmp_path / "panel.png")


def test_results_alone_make_a_page(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "results.csv", tmp_path)
    page = write_page(tmp_path).read_text(encoding="utf-8")
    root = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    assert len(lines_of(section(root, "rows"))) == len(results())
    assert page.count("data:image/png") == 1


def test_files_that_say_hull_are_read_as_if_they_said_mask(folder: Path, tmp_path: Path) -> None:
    text = (folder / "results.csv").read_text(encoding="utf-8")
    (tmp_path / "results.csv").write_text(text.replace(",mask,", ",hull,"), encoding="utf-8")
    assert ",hull," in (tmp_path / "results.csv").read_text(encoding="utf-8")
    assert read_results(tmp_path / "results.csv") == read_results(folder / "results.csv")
    with np.load(folder / "state" / "panel.npz") as archive:
        arrays = {name.replace("mask", "hull"): archive[name] for name in archive.files}
    assert "hull" in arrays
    np.savez(tmp_path / "panel.npz", **arrays)
    old, new = read_slice(tmp_path / "panel.npz"), read_slice(folder / "state" / "panel.npz")
    assert np.array_equal(old.mask, new.mask)
    assert {key: list(shown) for key, shown in old.decoded.items()} == {
        key: list(shown) for key, shown in new.decoded.items()
    }


def test_results_without_any_number_make_a_page_that_says_so(tmp_path: Path) -> None:
    row = ResultRow("all scans", "all scans", "medroi", "tcm", "weights", "full", "needs weights")
    write_results([row], tmp_path / "results.csv")
    (tmp_path / "rd.png").write_bytes(b"of an earlier run")
    page = write_page(tmp_path).read_text(encoding="utf-8")
    ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    assert "0 scans" in page
    assert "needs weights" in page
    assert "no row has bits per voxel" in page
    assert not (tmp_path / "rd.png").exists()


def test_without_matplotlib_there_is_one_clear_error(folder: Path, monkeypatch) -> None:
    def refuse(name: str):
        raise ImportError(name)

    monkeypatch.setattr("medroi.scans.scan.importlib.import_module", refuse)
    with pytest.raises(InnerUnavailable, match=r"pip install 'medroi\[compare\]'"):
        drawing.check_matplotlib()
    with pytest.raises(InnerUnavailable, match="matplotlib"):
        write_page(folder)


def test_the_fixture_has_what_the_page_must_survive(folder: Path) -> None:
    rows = results()
    assert any("<" in row.status and "\0" in row.status for row in rows)
    assert any(math.isinf(row.psnr_db or 0) for row in rows)
    assert json.loads((folder / "machine.json").read_text()) == MACHINE
