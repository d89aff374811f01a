#!/usr/bin/env bash
# Set everything up and run every check. The last line is pytest's own.
#
# FUZZ_SECONDS (20) is how long the fuzzers run.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
# Everything that tests need is here: a skipped test is a failure.
export MEDROI_NO_SKIPS=1
source scripts/newer_python.sh

build_wheels() {
    # From a source distribution, as a release is. Both wheels from one copy of it, so that the second
    # compiles only what the absence of the libraries changes.
    rm -rf build/dist build/wheels
    quiet .venv/bin/python -m build -q --sdist --no-isolation --outdir build/dist .
    tar -xzf build/dist/*.tar.gz -C build/dist
    quiet .venv/bin/uv build -q --wheel --python .venv/bin/python -o build/wheels/full build/dist/*/
    quiet env MEDROI_WITHOUT=z,zstd,openjp2 .venv/bin/uv build -q --wheel --python .venv/bin/python \
        --no-build-isolation -o build/wheels/standin build/dist/*/
}

# What runs in the environment with the newest libraries: all that stands between them and medroi.
NEWEST_TESTS="tests/test_zarr*.py tests/test_xarray_dask.py tests/test_numcodecs.py tests/test_selection.py
    tests/test_hdf5.py tests/test_hdf5_chunks.py tests/environments/test_newest_env.py"

# Tests that need other versions than the main environment has, or another build of medroi.
run_environment() {
    local name="$1" venv=".venv-$1" wheels=build/wheels/full base="$python"
    # One file of tests, or a folder of them.
    local tests="tests/environments/test_${name}_env.py"
    if [ -d "tests/environments/$name" ]; then
        tests="tests/environments/$name"
    fi
    if [ "$name" = standin ]; then
        wheels=build/wheels/standin
    elif [ "$name" = newest ]; then
        # The wheel of the oldest Python: it promises to run on every later one.
        base="$newest_python"
        tests="$NEWEST_TESTS"
    fi
    make_venv "$base" "$venv"
    # The wheel has the version of the one that an earlier run installed.
    install_into "$venv" --upgrade --reinstall-package medroi \
        -r "tests/environments/$name.txt" pytest "$wheels"/medroi-*.whl
    if [ "$name" = neural ]; then
        # Types of torch are Any where it is not installed: only here do they say anything.
        quiet .venv/bin/mypy --cache-dir build/mypy-neural --python-executable "$venv/bin/python"
    fi
    "$venv/bin/python" -m pytest -q $tests
}

python="$(find_python)"
WITH_HDF5_TOOLS=1 system_packages "$python"
if [ -n "$(missing_libraries)" ]; then
    printf 'the tests compare both builds: they need the headers of zlib, zstd and OpenJPEG\n' >&2
    exit 1
fi

newest_python="$(newer_python 3.13)"

stage "virtual environment .venv, medroi and what the checks need"
make_main_venv "$python"
install_medroi dev

bash scripts/lint.sh

# The two lanes touch nothing of each other and take about as long: on two cores they run side by side.
environments() {
    stage "wheels from a source distribution, with and without zlib, zstd and OpenJPEG"
    build_wheels
    local requirements name
    for requirements in tests/environments/*.txt; do
        name="$(basename "$requirements" .txt)"
        stage "environment $name"
        run_environment "$name"
    done
    bash scripts/check_js.sh
}

main_environment() {
    stage "fuzzers, ${FUZZ_SECONDS:-20} s"
    quiet bash scripts/fuzz.sh "${FUZZ_SECONDS:-20}"
    stage "benchmarks: bytes against frozen figures"
    quiet env OMP_NUM_THREADS=1 .venv/bin/python benchmarks/run.py --check
    stage "tests"
    .venv/bin/python -m pytest -q
}

# A function called where its status is asked for runs without errexit; a job of its own keeps it.
main_environment >"$LOG_DIR/main" 2>&1 &
main_job=$!
environments &
environments_job=$!
trap 'kill "$main_job" "$environments_job" 2>/dev/null || true; rm -rf "$LOG_DIR"' EXIT

status=0
wait "$environments_job" || status=$?
wait "$main_job" || status=$?
if [ "$status" -ne 0 ]; then
    printf 'a stage failed: the first line that says so is above, or here in what follows\n' >&2
fi
cat "$LOG_DIR/main"
exit "$status"
