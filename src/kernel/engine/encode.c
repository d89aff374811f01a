/* One array to one stream: region, header, inner codec. */
#include "base/bytes.h"
#include "engine/engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static medroi_status no_memory(size_t nbytes, medroi_error *error) {
    return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for %zu bytes", nbytes);
}

/* wavelet3d splits axes with long voxels less often: it takes the spacing of its last three axes
 * from the affine, unless it was given. */
void medroi_add_spacing(const medroi_header *header, const double spacing_mm[3], double *params) {
    enum { WAVELET3D = 4, FIRST = 2 };
    double of_axis[MEDROI_MAX_AXES] = {0}; /* 0 outside the volume */
    int32_t order[MEDROI_MAX_AXES], ndim = header->layout.ndim, column = 0;
    if (header->inner_id != WAVELET3D || ndim < 3 ||
        memcmp(header->affine, medroi_identity, sizeof medroi_identity) == 0 ||
        params[FIRST] != 0 || params[FIRST + 1] != 0 || params[FIRST + 2] != 0) {
        return;
    }
    for (int i = 0; i < 3; i++) { /* columns of no axis must be sound, too */
        if (!isfinite(spacing_mm[i]) || spacing_mm[i] <= 0) {
            return;
        }
    }
    for (int32_t axis = 0; axis < ndim; axis++) {
        if (header->layout.axes >> axis & 1) {
            of_axis[axis] = spacing_mm[column++];
        }
    }
    medroi_coding_order(&header->layout, header->slice_axis, order);
    for (int i = 0; i < 3; i++) {
        if (of_axis[order[ndim - 3 + i]] <= 0) {
            return;
        }
    }
    for (int i = 0; i < 3; i++) {
        params[FIRST + i] = of_axis[order[ndim - 3 + i]];
    }
}

static medroi_status encode_native(medroi_header *header, const double *params, const void *data,
                                   uint32_t n_threads, medroi_output *stream, medroi_error *error) {
    size_t capacity = 0, scratch_nbytes = 0;
    void *scratch = NULL;
    medroi_status status =
        medroi_encode_bound(header, params, n_threads, &capacity, &scratch_nbytes, error);
    if (status != MEDROI_OK) {
        return status;
    }
    scratch = malloc(scratch_nbytes > 0 ? scratch_nbytes : 1);
    if (scratch == NULL || medroi_reserve(stream, capacity) == NULL) {
        status = no_memory(capacity, error);
    } else {
        status = medroi_encode_stream(header, data, params, n_threads, scratch, stream->data,
                                      capacity, &stream->nbytes, error);
    }
    free(scratch);
    return status;
}

/* The side data of a stream of dates: the text of their element type, then the region's. */
static uint8_t *side_with_dtype(const medroi_header *header, const char *dtype, uint32_t *nbytes) {
    size_t n = strlen(dtype);
    uint8_t *side = malloc(5 + n + header->side_nbytes);
    if (side != NULL) {
        side[0] = MEDROI_SIDE_DTYPE;
        medroi_store32(side + 1, (uint32_t)n);
        memcpy(side + 5, dtype, n);
        if (header->side_nbytes > 0) {
            memcpy(side + 5 + n, header->side, header->side_nbytes);
        }
        *nbytes = (uint32_t)(5 + n) + header->side_nbytes;
    }
    return side;
}

int medroi_is_lossy(const medroi_coder *coder) {
    if (coder->native != NULL) {
        return coder->native->is_lossy != NULL && coder->native->is_lossy(coder->params);
    }
    return coder->hosted != NULL && coder->hosted->codec.is_lossy != NULL &&
           coder->hosted->codec.is_lossy(coder->hosted->user, coder->settings);
}

medroi_status medroi_encode_array(const medroi_settings *settings, const medroi_coder *coder,
                                  const medroi_layout *layout, const char *dtype, const void *data,
                                  uint32_t n_threads, medroi_output *stream, medroi_error *error) {
    medroi_settings asked = *settings;
    medroi_header header;
    double params[MEDROI_MAX_PARAMS];
    uint8_t *side = NULL;
    void *found = NULL;
    size_t scratch_nbytes;
    asked.inner_id = coder->id;
    asked.is_lossy = (uint8_t)medroi_is_lossy(coder);
    asked.region.n_threads = n_threads;
    stream->data = NULL;
    stream->nbytes = 0;
    if ((layout->kind == 'M' || layout->kind == 'm') && dtype == NULL) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "dates need the text of their element type: store them as int64");
    }
    scratch_nbytes = medroi_prepare_scratch_nbytes(&asked, layout);
    found = malloc(scratch_nbytes > 0 ? scratch_nbytes : 1);
    medroi_status status = found == NULL
                               ? no_memory(scratch_nbytes, error)
                               : medroi_prepare_header(&asked, layout, data, found, &header, error);
    if (status == MEDROI_OK && dtype != NULL) {
        side = side_with_dtype(&header, dtype, &header.side_nbytes);
        header.side = side;
        status = side == NULL ? no_memory(header.side_nbytes, error) : MEDROI_OK;
    }
    if (status == MEDROI_OK && coder->native == NULL && coder->hosted == NULL) {
        status = medroi_inner_is_absent(&header, error);
    } else if (status == MEDROI_OK && coder->native != NULL) {
        memcpy(params, coder->params, sizeof params);
        medroi_add_spacing(&header, asked.region.spacing_mm, params);
        status = encode_native(&header, params, data, n_threads, stream, error);
    } else if (status == MEDROI_OK) {
        status = medroi_encode_hosted(&header, coder, data, n_threads, stream, error);
    }
    free(side);
    free(found);
    if (status != MEDROI_OK && stream->reserve == NULL) {
        free(stream->data);
        stream->data = NULL;
    }
    return status;
}
