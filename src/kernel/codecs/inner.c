/* The literal table of native inner codecs. */
#include "codecs/inner.h"

static const medroi_inner *const table[] = {
    &medroi_raw,
#ifdef MEDROI_HAVE_ZLIB
    &medroi_deflate,
#endif
#ifdef MEDROI_HAVE_ZSTD
    &medroi_zstd,
#endif
#ifdef MEDROI_HAVE_OPENJPEG
    &medroi_jpeg2000,
#endif
    &medroi_wavelet3d, &medroi_predict3d,
};

const medroi_inner *medroi_find_inner(uint16_t id) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i]->id == id) {
            return table[i];
        }
    }
    return NULL;
}
