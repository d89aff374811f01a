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
for flag in "" $(pkg-config --cflags-only-I libopenjp2 2>/dev/null) -I/usr/include/openjpeg-2.5; do
    if printf '#include <openjpeg.h>\n' | "${CC:-cc}" $flag -E -x c - >/dev/null 2>&1; then
        KERNEL_MACROS+=(-DMEDROI_HAVE_OPENJPEG $flag)
        KERNEL_LIBRARIES+=(-lopenjp2)
        break
    fi
done
