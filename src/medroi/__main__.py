"""``python -m medroi`` is the command line."""

import sys

from medroi.cli import main

sys.exit(main())
