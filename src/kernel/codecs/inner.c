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

const medroi_parameters *const *medroi_all_parameters(size_t *n) {
    static const medroi_parameters *const parameters[] = {
        &medroi_raw_parameters,      &medroi_deflate_parameters,   &medroi_zstd_parameters,
        &medroi_jpeg2000_parameters, &medroi_wavelet3d_parameters, &medroi_predict3d_parameters,
    };
    *n = sizeof parameters / sizeof *parameters;
    return parameters;
}

const medroi_parameters *medroi_find_parameters(uint16_t id) {
    size_t n;
    const medroi_parameters *const *tables = medroi_all_parameters(&n);
    for (size_t i = 0; i < n; i++) {
        if (tables[i]->id == id) {
            return tables[i];
        }
    }
    return NULL;
}
