"""Archives: whole trees of scans, packed, copied and accounted for, through any interruption.

`archive` runs, `pack_job` is its unit of work. `tree` finds what is there, `planning` what has to
be done, `engines` do it, `journal` and `journals` keep what was done, `places` are folders and
object stores.
"""

from medroi.archives.checking import ArchiveCheck, check_archive
from medroi.archives.engines import run_dask, run_here, run_processes
from medroi.archives.jobs import Job, pack_job
from medroi.archives.journals import Journal
from medroi.archives.locks import InUse
from medroi.archives.marker import claim
from medroi.archives.places import Place, open_place
from medroi.archives.prune import PruneReport, prune
from medroi.archives.records import FileFacts, Record
from medroi.archives.restore import RestoreReport, restore
from medroi.archives.running import archive
from medroi.archives.settings import Settings
from medroi.archives.summary import ArchiveReport

__all__ = [
    "ArchiveCheck",
    "ArchiveReport",
    "FileFacts",
    "InUse",
    "Job",
    "Journal",
    "Place",
    "PruneReport",
    "Record",
    "RestoreReport",
    "Settings",
    "archive",
    "check_archive",
    "claim",
    "open_place",
    "pack_job",
    "prune",
    "restore",
    "run_dask",
    "run_here",
    "run_processes",
]
