"""The rows of results.csv: one scan, one codec at one level, one region, one protocol."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from medroi.errors import InvalidArgument

# A spreadsheet runs a cell that begins so as a formula: a quotation mark makes it text, also where
# there is one already, so that the text can be had back.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


# Regions as files of earlier versions name them.
_EARLIER_REGIONS = {"hull": "mask"}
# Columns that files of earlier versions do not have.
_NEW_COLUMNS = ("psnr_region_db", "largest_missed_voxels")


def region_named(name: str) -> str:
    """Return the name of a region, of which a file or a user may have an earlier one."""
    return _EARLIER_REGIONS.get(name, name)


@dataclasses.dataclass(frozen=True)
class ResultRow:
    """Figures of one method on one scan. A number that there is not is None, an empty cell.

    Attributes
    ----------
    scan, data_set : str
        Name of the file without its endings, and of the folder that holds it.
    protocol : str
        ``medroi``: one definition for all, at the stored values; ``published``: the publication's.
    inner, level : str
        The codec and a short label of its quality: ``lossless``, ``rate 20``, ``psnr 45``.
    region : str
        ``full``, ``box`` or ``mask``.
    status : str
        ``ok``, or why there is no number.
    original_nbytes, stored_nbytes : int
        Bytes of the array by the protocol, and all bytes written: header, record and side data too.
    bpv_volume, bpv_region : float
        Stored bits per voxel of the array, and per voxel of the region.
    peak, psnr_db, ssim, max_error : float
        Over the signal voxels, the same for every method and region of a scan; the published
        protocol has its own. Peak and error in stored units; lossless is ``inf``.
    psnr_volume_db : float
        Over all voxels, with the same peak: what a region discards is in it.
    psnr_region_db : float
        Over the voxels that the region keeps, against their own range: the PSNR that wavelet3d's
        setting `psnr` asks for. Files of earlier versions have no such column.
    signal_voxels, missed_voxels : int
        Voxels that differ from the background and reach the scan's threshold, before any opening,
        and those of them outside the region.
    miss_rate : float
        The second over the first.
    brightest_dropped : float
        The brightest voxel (dark polarity: the darkest) that does not come back as it was because
        it is outside the region.
    largest_missed_voxels : int
        Of the missed voxels, those of their largest connected group (26 neighbours). Files of
        earlier versions have no such column.
    encode_s, decode_s : float
        Seconds by the clock, from the timing pass.
    peak_memory_nbytes : int
        Most memory the process had while encoding, over what it had before.
    settings : str
        The configuration of the codec as JSON.
    """

    scan: str
    data_set: str
    protocol: str
    inner: str
    level: str
    region: str
    status: str
    dtype: str = ""
    shape: str = ""
    original_nbytes: int | None = None
    stored_nbytes: int | None = None
    compression_ratio: float | None = None
    bpv_volume: float | None = None
    bpv_region: float | None = None
    region_voxels: int | None = None
    peak: float | None = None
    psnr_db: float | None = None
    psnr_volume_db: float | None = None
    psnr_region_db: float | None = None
    ssim: float | None = None
    max_error: float | None = None
    signal_voxels: int | None = None
    missed_voxels: int | None = None
    miss_rate: float | None = None
    brightest_dropped: float | None = None
    largest_missed_voxels: int | None = None
    encode_s: float | None = None
    decode_s: float | None = None
    peak_memory_nbytes: int | None = None
    settings: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Key that distinguishes this row from all others."""
        return (self.data_set, self.scan, self.protocol, self.inner, self.level, self.region)


@dataclasses.dataclass(frozen=True)
class MatchedRow(ResultRow):
    """A row of matched.csv, and the PSNR that all regions of its scan were brought to, in dB."""

    matched_psnr_db: float | None = None


@dataclasses.dataclass(frozen=True)
class PairedTest:
    """A row of tests.csv: one quantity of one codec, between two regions, over a data set's scans.

    `mean_difference` is second - first, `mean_ratio` the geometric mean of second / first;
    `cohen_d` is the mean of the differences over their standard deviation. `p_holm` is `p`
    corrected over all rows of the data set.
    """

    data_set: str
    inner: str
    level: str
    protocol: str
    quantity: str
    pair: str
    n: int
    mean_difference: float | None = None
    mean_ratio: float | None = None
    t: float | None = None
    p: float | None = None
    p_holm: float | None = None
    cohen_d: float | None = None


@dataclasses.dataclass(frozen=True)
class Failure:
    """A row of failures.csv: a path that gave no scan, and why."""

    path: str
    reason: str


def read_results(path: str | Path) -> list[ResultRow]:
    """Read results.csv, or matched.csv, whose rows are `MatchedRow`.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    list of ResultRow
        Its rows, in its order.

    Raises
    ------
    InvalidArgument
        If the columns are not those of these files.
    """
    with Path(path).open(newline="", encoding="utf-8") as file:
        header = next(csv.reader(file), [])
    return read_rows(Path(path), MatchedRow if "matched_psnr_db" in header else ResultRow)


def read_rows(path: Path, kind: type) -> list[Any]:
    """Read one of the CSV files as rows of a kind; none where there is no such file.

    Raises
    ------
    InvalidArgument
        If the columns are not those of the kind.
    """
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.DictReader(file)
        found = list(lines.fieldnames or [])
        expected = [field.name for field in dataclasses.fields(kind)]
        known = [name for name in expected if name in found or name not in _NEW_COLUMNS]
        if found != known:
            raise InvalidArgument(f"{path}: columns {found}, expected {expected}")
        return [row_from_csv(line, kind) for line in lines]


def write_results(rows: Iterable[Any], path: str | Path, kind: type = ResultRow) -> None:
    """Write rows as CSV, in their order; a header alone where there are none.

    Parameters
    ----------
    rows : iterable of ResultRow, MatchedRow, PairedTest or Failure
        All of one kind.
    path : str or Path
        Replaced as a whole, so that an interruption leaves the file before.
    kind : type
        The kind of the rows.
    """
    target = Path(path)
    half = target.with_name(target.name + ".part")
    with half.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in dataclasses.fields(kind))
        for row in rows:
            writer.writerow(_cell(value) for value in dataclasses.astuple(row))
    half.replace(target)


def row_from_csv(line: dict[str, str], kind: type = ResultRow) -> Any:
    """A row of the cells that `write_results` wrote."""
    return row_from_json({name: _text_of(cell) for name, cell in line.items()}, kind)


def row_from_json(values: dict[str, Any], kind: type = ResultRow) -> Any:
    """A row of texts or JSON values: empty and None are no number."""
    made: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        value, wanted = values.get(field.name), str(field.type)
        if wanted.startswith(("int", "float")):
            number = int if wanted.startswith("int") else float
            made[field.name] = None if value in (None, "") else number(value)
        else:
            made[field.name] = "" if value is None else str(value)
    if "region" in made:
        made["region"] = region_named(made["region"])
    return kind(**made)


def row_to_json(row: Any) -> dict[str, Any]:
    """The fields of a row; infinity as text, as JSON has no number for it."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in dataclasses.asdict(row).items()
    }


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def _text_of(cell: str | None) -> str | None:
    """Undo what `_cell` does to text."""
    return cell[1:] if cell and cell.startswith("'") else cell
