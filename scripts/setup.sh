# What the other scripts share; sourced, never run. It goes to the repository's root.
#
# MEDROI_NO_APT=1 leaves the system's packages alone.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
export PYTHONDONTWRITEBYTECODE=1
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

# Debian packages that are missing here, one a line.
missing_packages() {
    local python="$1" version
    version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    if ! command -v "${CC:-cc}" >/dev/null; then
        echo gcc
    fi
    has_header stdlib.h || echo libc6-dev
    has_header zlib.h || echo zlib1g-dev
    has_header zstd.h || echo libzstd-dev
    # A Python that is not the system's brings its own headers and its own venv.
    case "$(readlink -f "$python")" in /usr/bin/*)
        "$python" -c 'import ensurepip' 2>/dev/null || echo "python$version-venv"
        "$python" -c 'import os, sysconfig, sys
sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
            || echo "python$version-dev"
        ;;
    esac
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

# Install what is missing where that is allowed; say what is missing where it is not.
system_packages() {
    local python="$1" missing
    missing="$(missing_packages "$python" | tr '\n' ' ')"
    if [ -n "$missing" ] && may_install; then
        stage "system packages: $missing"
        quiet as_root apt-get update -q
        # shellcheck disable=SC2086
        quiet as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends $missing
        missing="$(missing_packages "$python" | tr '\n' ' ')"
    fi
    if [ -n "$missing" ]; then
        printf 'missing, and not installed without root or passwordless sudo: %s\n' "$missing"
        case " $missing" in *" zlib1g-dev "* | *" libzstd-dev "*)
            printf '  deflate and zstd then run through numcodecs instead of the kernel\n'
            ;;
        esac
        case " $missing" in *"-venv "* | *"-dev "*"python"* | *"python"*"-dev "* | *"gcc "*)
            printf '  the rest is needed: apt-get install %s\n' "$missing"
            ;;
        esac
    fi
}

# A virtual environment at $2, unless a working one is there.
make_venv() {
    local python="$1" venv="$2"
    if "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        return
    fi
    rm -rf "$venv"
    if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
        # Debian's Python without python3-venv still makes one without pip.
        rm -rf "$venv"
        quiet "$python" -m venv --without-pip "$venv"
        quiet "$python" -m pip --python "$venv/bin/python" install -q pip
    fi
}

# medroi with extras ("scans,test") into .venv, editable, built anew: which libraries the kernel
# found is nothing that a build system sees in the age of its files.
install_medroi() {
    rm -f src/medroi/_kernel*.so
    quiet .venv/bin/pip install -q -e ".[$1]"
}
