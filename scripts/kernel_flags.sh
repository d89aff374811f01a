# Sourced: the macros and libraries of the optional inner codecs that this machine can build.

KERNEL_MACROS=()
KERNEL_LIBRARIES=()
add_library() {
    if printf '#include <%s>\n' "$2" | "${CC:-cc}" -E -x c - >/dev/null 2>&1; then
        KERNEL_MACROS+=("-D$1")
        KERNEL_LIBRARIES+=("-l$3")
    fi
}
add_library MEDROI_HAVE_ZLIB zlib.h z
add_library MEDROI_HAVE_ZSTD zstd.h zstd
