#!/usr/bin/env bash
# Cross-compile the kernel with zig for other processors and systems, and where an emulator is here compare what
# it encodes and decodes with this machine's bytes and the goldens.
#
#   bash scripts/check_targets.sh [TARGET...]
#
# It stands beside scripts/test.sh: qemu and Wine are large, and compiling for seven targets takes minutes. Linux runs
# under qemu-user-static, Windows under Wine; macOS is compiled and linked only. Needs .venv with medroi[test].
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
source scripts/from_pypi.sh

# zig's name of a target, and what runs its programs here.
declare -A RUNNERS=(
    [x86_64-linux-musl]=""
    [aarch64-linux-musl]=qemu-aarch64-static
    [s390x-linux-musl]=qemu-s390x-static
    [x86-linux-musl]=qemu-i386-static
    [x86_64-windows-gnu]=wine
    [aarch64-macos]=none
    [x86_64-macos]=none
)
ORDER=(x86_64-linux-musl aarch64-linux-musl s390x-linux-musl x86-linux-musl x86_64-windows-gnu
    aarch64-macos x86_64-macos)
[ "$#" -eq 0 ] || ORDER=("$@")

missing=""
command -v qemu-aarch64-static >/dev/null || missing+=" qemu-user-static"
command -v wine >/dev/null || missing+=" wine wine64"
if [ -n "$missing" ] && may_install; then
    install_packages $missing
fi
get_zig

stage "cases: goldens, and regions that this machine encodes"
folder=build/targets
mkdir -p "$folder"
.venv/bin/python tests/targets/cases.py "$folder/cases"

export WINEDEBUG=-all WINEPREFIX="$PWD/$folder/wine"
mapfile -t sources < <(find src/kernel -name '*.c' | LC_ALL=C sort)
status=0
for target in "${ORDER[@]}"; do
    program="$folder/same_bytes-$target"
    case "$target" in *windows*) program+=.exe ;; esac
    runner="${RUNNERS[$target]}"
    quiet "$ZIG" cc -target "$target" -std=c11 -O3 -ffp-contract=off -g0 -Isrc/kernel/include -Isrc/kernel \
        "${sources[@]}" tests/targets/same_bytes.c -o "$program" -lm
    if [ "$runner" = none ]; then
        result="compiled and linked"
    elif [ -n "$runner" ] && ! command -v "$runner" >/dev/null; then
        result="compiled and linked; $runner is not here"
    else
        result="$(timeout 900 $runner "$program" "$folder/cases" 2>"$folder/errors" | tr -d '\r' | tail -4)" \
            || { status=1; result="FAILED: $result $(tail -3 "$folder/errors")"; }
    fi
    printf '%-22s %s\n' "$target" "$result"
done
exit "$status"
