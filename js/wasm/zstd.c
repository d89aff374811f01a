/* The decoder of Zstandard, out of its one file, with sizes of 64 bits.
 *
 * Its bit readers hold as many bits as a size_t, and its fast loops are for machines where that is
 * 64. WebAssembly computes with 64 bits as well, though its pointers have 32. So the file is
 * compiled with a wide size_t, its functions under other names, and those that the kernel names
 * are wrapped. What builds dictionaries asks for a clock, which would have to be imported, though
 * nothing calls it. */
#include <assert.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define clock() ((clock_t)0)
#define ZSTD_compressBound medroi_wide_compressBound
#define ZSTD_getFrameContentSize medroi_wide_getFrameContentSize
#define ZSTD_findFrameCompressedSize medroi_wide_findFrameCompressedSize
#define ZSTD_decompress medroi_wide_decompress
#define size_t uint64_t
#include <zstd.c>
#undef size_t
#undef ZSTD_compressBound
#undef ZSTD_getFrameContentSize
#undef ZSTD_findFrameCompressedSize
#undef ZSTD_decompress

size_t ZSTD_compressBound(size_t nbytes) { return (size_t)medroi_wide_compressBound(nbytes); }

unsigned long long ZSTD_getFrameContentSize(const void *src, size_t nbytes) {
    return medroi_wide_getFrameContentSize(src, nbytes);
}

size_t ZSTD_findFrameCompressedSize(const void *src, size_t nbytes) {
    return (size_t)medroi_wide_findFrameCompressedSize(src, nbytes);
}

size_t ZSTD_decompress(void *dst, size_t dst_nbytes, const void *src, size_t nbytes) {
    return (size_t)medroi_wide_decompress(dst, dst_nbytes, src, nbytes);
}
