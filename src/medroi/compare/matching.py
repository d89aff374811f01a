"""The same PSNR over the same voxels: what a region saves when quality cannot pay for it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from medroi import metrics
from medroi.compare.coding import Coding, coding_of
from medroi.compare.measuring import empty_row, status_of, with_figures
from medroi.compare.methods import Method
from medroi.compare.results import MatchedRow, ResultRow
from medroi.compare.subject import Subject

PROTOCOL = "medroi"
TOLERANCE_DB = 0.05
_MAX_TRIALS = 14
# Where a search begins and how far it goes, by setting; PSNR rises with a quality alone.
_LIMITS = {
    "rate": (1.0, 1e5),
    "step": (1e-6, 1e6),
    "quality": (0.0, 100.0),
    "psnr": (5.0, 140.0),
}
_OWN_LIMITS = {"neural2d": (1e-3, 1e3)}
# Settings that cannot come as near as the tolerance, and how far apart two of them are.
_GRIDS = {"quality": 1.0, "psnr": 0.5}


def match(subject: Subject, method: Method, measured: Mapping[str, ResultRow]) -> list[MatchedRow]:
    """Rows of all regions at the PSNR that the full volume has at the method's level.

    Parameters
    ----------
    subject : Subject
    method : Method
        A lossy one.
    measured : mapping
        The rows at the method's level, by region; that of the full volume is needed.

    Returns
    -------
    list of MatchedRow
        The full volume's own, and those of box and mask: files whose PSNR is within 0.05 dB of it.
        For a setting that cannot come so near, the bytes between the two files around it, read
        off logarithmically, which `settings` says.
    """
    full = measured["full"]
    if full.status != "ok" or full.psnr_db is None or not math.isfinite(full.psnr_db):
        return []
    rows = [_matched(full, full.psnr_db)]
    for region in subject.regions:
        if region != "full":
            rows.append(_search(subject, method, measured.get(region), region, full.psnr_db))
    return rows


def _matched(row: ResultRow, wanted_db: float) -> MatchedRow:
    values = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    # Of the file at the level itself: the one found here was not timed.
    values |= {"encode_s": None, "decode_s": None, "peak_memory_nbytes": None}
    return MatchedRow(**values, matched_psnr_db=wanted_db)


def _search(
    subject: Subject, method: Method, known: ResultRow | None, region: str, wanted_db: float
) -> MatchedRow:
    row = empty_row(subject, method, region, PROTOCOL)
    try:
        if method.searched in _GRIDS:
            return _between(known or row, subject, method, wanted_db)
        nearest = _Nearest(subject, method, region, wanted_db)
        start = _start(subject, method)
        at_level = method.searched in method.config and known is not None
        if at_level and known is not None and known.psnr_db is not None:
            nearest.trials.append((start, known.psnr_db))
        limits = _OWN_LIMITS.get(method.inner, _LIMITS[method.searched])
        value = reach(nearest, start, wanted_db, limits)
        found = nearest.row(row, value)
        assert found.psnr_db is not None
        if not abs(found.psnr_db - wanted_db) <= TOLERANCE_DB:
            missed = f"not reached: {found.psnr_db:.2f} dB is the nearest to {wanted_db:.2f}"
            found = dataclasses.replace(found, status=missed)
        return _matched(found, wanted_db)
    except Exception as error:  # of any library; the row says which
        return _matched(dataclasses.replace(row, status=status_of(error)), wanted_db)


@dataclasses.dataclass
class _Nearest:
    """Gives the PSNR of settings, and keeps the file that came nearest to the one wanted."""

    subject: Subject
    method: Method
    region: str
    wanted_db: float
    trials: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    _kept: tuple[float, Any, Any] | None = None

    def __call__(self, value: float) -> float:
        for tried, found_db in self.trials:
            if tried == value:
                return found_db
        coded, decoded = coding_of(self.subject, self.region, self.method.at(value)).trial()
        found_db = self.subject.psnr(decoded)
        misses = [abs(other - self.wanted_db) for _, other in self.trials]
        if coded is not None and abs(found_db - self.wanted_db) <= min(misses, default=math.inf):
            self._kept = (value, coded, decoded)
        self.trials.append((value, found_db))
        return found_db

    def row(self, row: ResultRow, value: float) -> ResultRow:
        """The figures at one setting."""
        coding = coding_of(self.subject, self.region, self.method.at(value))
        if self._kept is not None and self._kept[0] == value:
            return with_figures(row, self.subject, self.region, coding, *self._kept[1:])
        return _figures(row, self.subject, coding)


def _figures(row: ResultRow, subject: Subject, coding: Coding) -> ResultRow:
    coded = coding.encode()
    return with_figures(row, subject, row.region, coding, coded, coding.decode(coded))


def _start(subject: Subject, method: Method) -> float:
    value = method.config.get(method.searched)
    if value is not None:
        return float(value)
    # A quantiser's error is about its step / sqrt(12), less where most coefficients are 0.
    target_db = float(method.config["psnr"])
    return subject.peak * 10 ** (-target_db / 20) * 2.5


def reach(
    psnr_of: Callable[[float], float],
    start: float,
    wanted_db: float,
    limits: tuple[float, float],
) -> float:
    """The setting that gives a PSNR, where more of the setting is less of it.

    Secants on the logarithm of the setting, kept between the settings that enclose it.

    Returns
    -------
    float
        The setting with the PSNR nearest to the one wanted, of those tried.
    """
    low, high = (math.log(limit) for limit in limits)
    setting = min(max(start, limits[0]), limits[1])
    tried: list[tuple[float, float]] = []
    settings: list[float] = []
    for _ in range(_MAX_TRIALS):
        found_db = psnr_of(setting)
        tried.append((math.log(setting), found_db))
        settings.append(setting)
        if abs(found_db - wanted_db) <= TOLERANCE_DB / 2:
            return setting
        if found_db > wanted_db:
            low = max(low, tried[-1][0])
        else:
            high = min(high, tried[-1][0])
        if high - low < 1e-6:
            break
        setting = math.exp(_next(tried, wanted_db, low, high))
    return settings[min(range(len(tried)), key=lambda i: abs(tried[i][1] - wanted_db))]


def _next(tried: list[tuple[float, float]], wanted_db: float, low: float, high: float) -> float:
    place, found_db = tried[-1]
    if not math.isfinite(found_db):
        return min(place + 0.7, (place + high) / 2)
    slope = -6.0
    if len(tried) > 1:
        before, before_db = min(tried[:-1], key=lambda pair: abs(pair[1] - wanted_db))
        if place != before and (found_db - before_db) / (place - before) < -0.5:
            slope = (found_db - before_db) / (place - before)
    guess = place + (wanted_db - found_db) / slope
    guess = min(max(guess, place - 2.0), place + 2.0)
    inside = low < guess < high
    return guess if inside else (low + high) / 2 if high - low < 4 else min(max(guess, low), high)


def _between(row: ResultRow, subject: Subject, method: Method, wanted_db: float) -> MatchedRow:
    """Read the bytes off between the two settings of a grid around the PSNR."""
    grid, (low, high) = _GRIDS[method.searched], _LIMITS[method.searched]
    level = float(method.config[method.searched])
    tried: dict[float, ResultRow] = {level: row} if row.psnr_db is not None else {}

    def at(setting: float) -> float:
        if setting not in tried:
            coding = coding_of(subject, row.region, method.at(setting))
            tried[setting] = _figures(row, subject, coding)
        return tried[setting].psnr_db or math.inf

    setting = level
    if method.searched == "psnr" and math.isfinite(at(setting)):
        setting = min(max(setting + grid * round((wanted_db - at(setting)) / grid), low), high)
    step = grid if at(setting) < wanted_db else -grid
    while low < setting < high and (at(setting) < wanted_db) == (step > 0):
        setting = min(max(setting + step, low), high)
    nearest = sorted((setting - step, setting))
    rows = [tried[place] for place in nearest if place in tried]
    return _matched(_read_off(rows[0], rows[-1], subject, wanted_db), wanted_db)


def _read_off(below: ResultRow, above: ResultRow, subject: Subject, wanted_db: float) -> ResultRow:
    assert below.psnr_db is not None
    assert above.psnr_db is not None
    assert below.stored_nbytes is not None
    assert above.stored_nbytes is not None
    if abs(below.psnr_db - wanted_db) <= TOLERANCE_DB / 2:
        return below
    if not below.psnr_db <= wanted_db <= above.psnr_db:
        return dataclasses.replace(above, status=f"not reached: {above.psnr_db:.2f} dB is nearest")
    share = (wanted_db - below.psnr_db) / (above.psnr_db - below.psnr_db)
    low, high = math.log(below.stored_nbytes), math.log(above.stored_nbytes)
    stored_nbytes = round(math.exp(low + share * (high - low)))
    original_nbytes = subject.voxels.nbytes
    return dataclasses.replace(
        below if share < 0.5 else above,
        stored_nbytes=stored_nbytes,
        compression_ratio=metrics.compression_ratio(original_nbytes, stored_nbytes),
        bpv_volume=metrics.bits_per_voxel(stored_nbytes, subject.voxels.size),
        bpv_region=metrics.bits_per_voxel(stored_nbytes, below.region_voxels or 0),
        psnr_db=wanted_db,
        settings=f'{{"between": [{below.settings}, {above.settings}]}}',
    )
