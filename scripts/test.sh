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
    stage "wheels from a source distribution, with and without zlib, zstd and OpenJPEG"
    # From a source distribution, as a release is. Both wheels from one copy of it, so that the second
    # compiles only what the absence of the libraries changes.
    rm -rf build/dist build/wheels
    quiet .venv/bin/python -m build -q --sdist --no-isolation --outdir build/dist .
    tar -xzf build/dist/*.tar.gz -C build/dist
    quiet .venv/bin/uv build -q --wheel --python .venv/bin/python -o build/wheels/full build/dist/*/
    quiet env MEDROI_WITHOUT=z,zstd,openjp2 .venv/bin/uv build -q --wheel --python .venv/bin/python \
        --no-build-isolation -o build/wheels/standin build/dist/*/
}

checks() {
    bash scripts/lint.sh
    stage "fuzzers, ${FUZZ_SECONDS:-20} s"
    quiet bash scripts/fuzz.sh "${FUZZ_SECONDS:-20}"
    stage "benchmarks: bytes against frozen figures"
    quiet env OMP_NUM_THREADS=1 .venv/bin/python benchmarks/run.py --check
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

# All tasks, one a line: the longest first, so that none of them is left alone at the end.
tasks() {
    local long=(neural archive newest viewers compressai dicom hdf5)
    printf '%s\n' "tests" "tests, a to d" "${long[@]/#/environment }" "npm package"
    basename -s .txt tests/environments/*.txt | grep -vxF "$(printf '%s\n' "${long[@]}")" | sed 's/^/environment /'
}

# One of `tasks`, each of which touches nothing of another.
run_task() {
    stage "$1"
    case "$1" in
    "tests") .venv/bin/python -m pytest -q --ignore-glob "tests/test_[a-d]*.py" ;;
    "tests, a to d") .venv/bin/python -m pytest -q tests/test_[a-d]*.py ;;
    "npm package") bash scripts/check_js.sh ;;
    *) run_environment "${1#environment }" ;;
    esac
}

# Do one after the other the tasks that nobody has begun. What a task prints is shown once it has ended; what
# "tests" prints, at the very end.
work() {
    local task log number=0 failed=0
    while read -r task; do
        number=$((number + 1))
        mkdir "$LOG_DIR/task-$number" 2>/dev/null || continue
        log="$LOG_DIR/task-$number/log"
        if [ "$task" = tests ]; then
            log="$LOG_DIR/tests"
        fi
        # A job of its own stops at its first failure, which `if run_task` would not.
        run_task "$task" >"$log" 2>&1 </dev/null &
        if ! wait "$!"; then
            failed=1
            printf 'failed: %s\n' "$task" >>"$LOG_DIR/failed"
        fi
        if [ "$task" != tests ]; then
            cat "$log"
        fi
    done < <(tasks)
    return "$failed"
}

# Run two functions side by side, on a core each, and set `status` to 0 where both succeeded. Not to be called
# where its own status is asked for: then neither would stop at its first failure.
side_by_side() {
    status=0
    "$1" &
    first=$!
    "$2" &
    second=$!
    trap 'kill "$first" "$second" 2>/dev/null || true; rm -rf "$LOG_DIR"' EXIT
    wait "$first" || status=$?
    wait "$second" || status=$?
    trap 'rm -rf "$LOG_DIR"' EXIT
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

side_by_side build_wheels checks
if [ "$status" -ne 0 ]; then
    printf 'failed, and no test was begun: what says so is above\n' >&2
    exit "$status"
fi
side_by_side work work
if [ "$status" -ne 0 ]; then
    cat "$LOG_DIR/failed" >&2
fi
cat "$LOG_DIR/tests"
exit "$status"
