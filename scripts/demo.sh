#!/usr/bin/env bash
# Set everything up, pack the head scan of examples/data into Zarr, and read it back.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

python="$(find_python)"
system_packages "$python"
stage "virtual environment .venv, medroi and what reads scans"
make_main_venv "$python"
install_medroi scans

scan=examples/data/head_T1w.nii.gz
stage "medroi pack $scan build/head.zarr"
mkdir -p build
.venv/bin/medroi pack --force --roi box "$scan" build/head.zarr

stage "python examples/read_head.py $scan build/head.zarr"
.venv/bin/python examples/read_head.py "$scan" build/head.zarr
