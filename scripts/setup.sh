# What the other scripts share; sourced, never run. It goes to the repository's root.
#
# MEDROI_NO_APT=1 leaves the system's packages alone. WITH_HDF5_TOOLS=1 asks for Debian's HDF5 tools,
# h5py and CMake, which the tests start.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
# What is imported is compiled once, and not beside its source.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX="$PWD/build/pycache"
unset PYTHONPATH PYTHONHOME

LOG_DIR="$(mktemp -d)"
trap 'rm -rf "$LOG_DIR"' EXIT

stage() {
    printf '== %s\n' "$*"
}

# Run a command and show its output only where it fails.
quiet() {
    local log status=0
    log="$(mktemp -p "$LOG_DIR")"
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        cat "$log" >&2
        printf 'failed with status %s: %s\n' "$status" "$*" >&2
        return "$status"
    fi
}

# The first Python that is new enough; PYTHON names another.
find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.11 python3.12 python3.13 python3.14; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    printf 'no Python 3.11 or later was found; PYTHON=/path/to/python names one\n' >&2
    return 1
}

has_header() {
    printf '#include <%s>\n' "$1" | "${CC:-cc}" -E -x c - >/dev/null 2>&1
}

# Debian packages that are missing here and without which nothing can be built, one a line.
missing_packages() {
    local python="$1" version
    version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    command -v "${CC:-cc}" >/dev/null || echo gcc
    has_header stdlib.h || echo libc6-dev
    # A Python that is not the system's brings its own headers and its own venv.
    case "$(readlink -f "$python")" in /usr/bin/*)
        "$python" -c 'import ensurepip' 2>/dev/null || echo "python$version-venv"
        "$python" -c 'import os, sysconfig, sys
sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
            || echo "python$version-dev"
        ;;
    esac
}

# Debian packages that are missing here and that the kernel can do without, one a line.
missing_libraries() {
    has_header zlib.h || echo zlib1g-dev
    has_header zstd.h || echo libzstd-dev
    ls /usr/include/openjpeg-*/openjpeg.h >/dev/null 2>&1 || has_header openjpeg.h \
        || echo libopenjp2-7-dev
    if [ -n "${WITH_HDF5_TOOLS:-}" ]; then
        command -v h5dump >/dev/null || echo hdf5-tools
        command -v cmake >/dev/null || echo cmake
        command -v make >/dev/null || echo make
        command -v g++ >/dev/null || echo g++
        command -v pkg-config >/dev/null || echo pkg-config
        /usr/bin/python3 -c 'import h5py' 2>/dev/null || echo python3-h5py
    fi
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

may_install() {
    [ -z "${MEDROI_NO_APT:-}" ] && command -v apt-get >/dev/null \
        && { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }
}

# Install Debian packages; may_install says whether that is allowed.
install_packages() {
    stage "system packages:" "$@"
    quiet as_root apt-get update -q
    quiet as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# Install what is missing where that is allowed; say what is missing where it is not.
system_packages() {
    local python="$1" missing
    missing="$(missing_packages "$python"; missing_libraries)"
    if [ -n "$missing" ] && may_install; then
        install_packages $missing
    fi
    missing="$(missing_packages "$python")"
    if [ -n "$missing" ]; then
        printf 'needed, and not to be installed without root or passwordless sudo: %s\n' \
            "$(echo $missing)" >&2
        return 1
    fi
    missing="$(missing_libraries)"
    if [ -n "$missing" ]; then
        printf 'not here: %s; deflate, zstd or jpeg2000 run in Python and not in the kernel\n' \
            "$(echo $missing)"
    fi
}

# A virtual environment at .venv with pip and uv, unless a working one is there. uv keeps what it has
# unpacked, and links it into the next environment that asks for it.
make_main_venv() {
    local python="$1"
    if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
        rm -rf .venv
        quiet "$python" -m venv .venv
    fi
    .venv/bin/python -c 'import uv' 2>/dev/null || quiet .venv/bin/pip install -q "uv>=0.9"
    eval "$(.venv/bin/python scripts/uv_settings.py)"
}

# A virtual environment at $2, unless a working one is there; after make_main_venv.
make_venv() {
    local python="$1" venv="$2"
    if ! "$venv/bin/python" -c '' 2>/dev/null; then
        rm -rf "$venv"
        quiet .venv/bin/uv venv -q --python "$python" "$venv"
    fi
}

# Install into the virtual environment $1 what the other arguments say, as pip's would.
install_into() {
    local venv="$1"
    shift
    quiet .venv/bin/uv pip install -q --python "$venv/bin/python" "$@"
}

# medroi with extras ("scans,test") into .venv, editable.
install_medroi() {
    install_into .venv -e ".[$1]"
}
