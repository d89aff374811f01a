#!/usr/bin/env bash
# Build the wheel for Windows, and run its HDF5 plugin under Wine in the HDF5 libraries that h5py, netCDF4 and PyTables bring
# there: each finds it by its folder, and its chunk has the bytes that this machine writes.
#
# It stands beside scripts/test.sh, as scripts/check_targets.sh does: Wine is large. The packages are of versions whose
# HDF5 runs in the Wine of Debian 12; later ones ask for functions that it lacks. Needs .venv with medroi[test].
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
source scripts/from_pypi.sh

PACKAGES=(h5py==3.8.0 h5py==3.10.0 netCDF4==1.6.2 tables==3.8.0)

if ! command -v wine >/dev/null && may_install; then
    install_packages wine wine64
fi
get_zig
folder=build/windows
mkdir -p "$folder/plugins"
export WINEDEBUG=-all WINEPREFIX="$PWD/$folder/wine"

# A wheel of another version may be left there.
rm -rf "$folder/dist"
bash scripts/build_windows_wheel.sh "$folder/dist"
unzip -q -o -j "$folder"/dist/*.whl medroi/plugins/libh5medroi.dll -d "$folder/plugins"
read -r filter_id words < <(.venv/bin/python scripts/windows_plugin.py words)
quiet "$ZIG" cc -target x86_64-windows-gnu -std=c11 -O2 -g0 "-DFILTER_ID=$filter_id" tests/targets/hdf5_windows.c \
    -o "$folder/hdf5_windows.exe"

on_windows() {
    printf 'Z:%s' "$(realpath -m "$1" | tr / '\\')"
}

for package in "${PACKAGES[@]}"; do
    place="$folder/${package/==/-}"
    if ! [ -d "$place" ]; then
        quiet .venv/bin/pip install -q --no-deps --only-binary :all: --platform win_amd64 --python-version 3.11 \
            --target "$place" "$package"
    fi
    library="$(find "$place" -name 'hdf5*.dll' ! -name 'hdf5_hl*')"
    file="$folder/written.h5"
    rm -f "$file"
    # shellcheck disable=SC2086 # a word each
    said="$(timeout 300 wine "$folder/hdf5_windows.exe" "$(on_windows "$library")" "$(on_windows "$folder/plugins")" \
        "$(on_windows "$file")" 64 64 $words 2>&1 | tr -d '\r' | tail -3)"
    case "$said" in
        *"written and read"*) ;;
        *) printf '%s: %s\n' "$package" "$said" >&2; exit 1 ;;
    esac
    .venv/bin/python scripts/windows_plugin.py compare "$file"
    printf '%-16s written and read, with the bytes of this machine\n' "$package"
done
