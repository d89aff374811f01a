/* The calls that the JavaScript of this package makes: plain numbers in and out.
 *
 * deflate is registered as an inner codec whose compressor is a function of JavaScript, and a JPEG
 * 2000 slice is decoded by one. Each fails where its library is not loaded. */
#include "codecs/jpeg2000/jpeg2000.h"
#include "codecs/packed.h"
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

#define IMPORTED(name) __attribute__((import_module("medroi"), import_name(name)))
#define EXPORTED(name) __attribute__((export_name(name)))

/* 0 for success. */
IMPORTED("inflate")
extern int medroi_js_inflate(const uint8_t *src, size_t nbytes, uint8_t *dst, size_t dst_nbytes);
IMPORTED("decodeSlice")
extern int medroi_js_decode_slice(const uint8_t *src, size_t nbytes, uint32_t width,
                                  uint32_t height, int32_t *samples);

static medroi_error last_error;

EXPORTED("error_text") const char *medroi_js_error_text(void) { return last_error.text; }

/* Fields of a stream, one double each; every size fits one exactly, or the stream is refused. */
enum {
    NDIM,
    KIND,
    ITEMSIZE,
    BIG_ENDIAN,
    F_ORDER,
    AXES,
    INNER_ID,
    SLICE_AXIS,
    N_SLABS,
    PAYLOAD_NBYTES,
    HEADER_NBYTES,
    IS_MASK,
    THRESHOLD,
    MISS_RATE,
    BACKGROUND_LOW,
    BACKGROUND_HIGH,
    ARRAY_NBYTES,
    SHAPE,
    START = SHAPE + MEDROI_MAX_AXES,
    STOP = START + MEDROI_MAX_AXES,
    AFFINE = STOP + MEDROI_MAX_AXES,
    N_FIELDS = AFFINE + 9
};

static double fields[N_FIELDS];

EXPORTED("fields") const double *medroi_js_fields(void) { return fields; }

EXPORTED("inspect") medroi_status medroi_js_inspect(const uint8_t *stream, size_t nbytes) {
    medroi_info info;
    medroi_status status = medroi_inspect(stream, nbytes, &info, &last_error);
    if (status != MEDROI_OK) {
        return status;
    }
    fields[NDIM] = info.layout.ndim;
    fields[KIND] = info.layout.kind;
    fields[ITEMSIZE] = info.layout.itemsize;
    fields[BIG_ENDIAN] = info.layout.big_endian;
    fields[F_ORDER] = info.layout.f_order;
    fields[AXES] = info.layout.axes;
    fields[INNER_ID] = info.inner_id;
    fields[SLICE_AXIS] = info.slice_axis;
    fields[N_SLABS] = (double)info.n_slabs;
    fields[PAYLOAD_NBYTES] = (double)info.payload_nbytes;
    fields[HEADER_NBYTES] = (double)info.header_nbytes;
    fields[IS_MASK] = info.is_mask;
    fields[THRESHOLD] = info.threshold;
    fields[MISS_RATE] = info.miss_rate;
    fields[BACKGROUND_LOW] = (double)(uint32_t)info.background;
    fields[BACKGROUND_HIGH] = (double)(uint32_t)(info.background >> 32);
    fields[ARRAY_NBYTES] = (double)medroi_array_nbytes(&info.layout);
    for (int i = 0; i < MEDROI_MAX_AXES; i++) {
        fields[SHAPE + i] = (double)info.layout.shape[i];
        fields[START + i] = (double)info.box.start[i];
        fields[STOP + i] = (double)info.box.stop[i];
    }
    for (int i = 0; i < 9; i++) {
        fields[AFFINE + i] = (double)info.affine[i];
    }
    return MEDROI_OK;
}

EXPORTED("decode")
medroi_status medroi_js_decode(const uint8_t *stream, size_t nbytes, uint8_t *data,
                               size_t data_nbytes) {
    return medroi_decode(NULL, stream, nbytes, data, data_nbytes, &last_error);
}

/* `bounds` has the starts of all axes, then the stops. */
EXPORTED("decode_box")
medroi_status medroi_js_decode_box(const uint8_t *stream, size_t nbytes, const double *bounds,
                                   uint32_t ndim, uint8_t *data, size_t data_nbytes) {
    medroi_box box = {{0}, {0}};
    for (uint32_t i = 0; i < ndim && i < MEDROI_MAX_AXES; i++) {
        box.start[i] = (int64_t)bounds[i];
        box.stop[i] = (int64_t)bounds[ndim + i];
    }
    return medroi_decode_box(NULL, stream, nbytes, &box, data, data_nbytes, &last_error);
}

/* One byte for each element: 1 inside the region, else 0. */
EXPORTED("kept")
medroi_status medroi_js_kept(const uint8_t *stream, size_t nbytes, uint8_t *kept, size_t n) {
    medroi_header header;
    size_t preamble_nbytes;
    void *map = NULL;
    medroi_status status =
        medroi_read_preamble(stream, nbytes, &header, &preamble_nbytes, &last_error);
    if (status == MEDROI_OK) {
        status = medroi_load_mask(&header, &map, &last_error);
    }
    if (status != MEDROI_OK) {
        goto done;
    }
    header.layout = medroi_flags_layout(&header.layout);
    header.background = 0;
    if (medroi_array_nbytes(&header.layout) != n) {
        status = medroi_fail(&last_error, MEDROI_INVALID_ARGUMENT,
                             "%zu flags for an array of another size", n);
        goto done;
    }
    memset(kept, 1, n);
    medroi_fill_outside(&header.layout, kept, &header.box, 0);
    if (map != NULL) {
        medroi_apply_mask_to_array(&header, map, kept);
    }
done:
    free(map);
    return status;
}

/* --- Inner codecs of JavaScript --- */

static medroi_status refuse_to_encode(void *user, const void *settings, const medroi_block *slab,
                                      const void *data, uint8_t **coded, size_t *nbytes,
                                      medroi_error *error) {
    (void)user, (void)settings, (void)slab, (void)data, (void)coded, (void)nbytes;
    return medroi_fail(error, MEDROI_INVALID_ARGUMENT, "this build only decodes");
}

static medroi_status decode_deflate(void *user, const medroi_block *slab, const uint8_t *src,
                                    size_t nbytes, void *dst, medroi_error *error) {
    (void)user;
    return medroi_unpack_part(slab, src, nbytes, medroi_js_inflate, dst, error);
}

EXPORTED("register_codecs") medroi_status medroi_js_register_codecs(void) {
    medroi_codec deflate = {
        .id = 1, .name = "deflate", .encode = refuse_to_encode, .decode = decode_deflate};
    return medroi_register_inner(&deflate, NULL, &last_error);
}

medroi_status medroi_j2k_decode(const medroi_j2k_slice *slice, const uint8_t *src, size_t nbytes,
                                int32_t *samples, medroi_error *error) {
    medroi_status status = medroi_j2k_check(slice, src, nbytes, error);
    if (status == MEDROI_OK &&
        medroi_js_decode_slice(src, nbytes, slice->width, slice->height, samples) != 0) {
        status = medroi_fail(error, MEDROI_CORRUPT_STREAM,
                             "corrupt stream: a slice is no JPEG 2000 codestream of its size");
    }
    return status;
}
