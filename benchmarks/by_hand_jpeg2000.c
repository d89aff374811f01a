/* OpenJPEG by hand: slices of 8-bit samples to lossless codestreams in memory, one tile, 5/3,
 * as many resolutions as benchmarks/inners.py says. It is the least that a caller can write. */
#include <openjpeg.h>
#include <stdint.h>
#include <string.h>

typedef struct memory {
    uint8_t *dst;
    size_t capacity, at, end;
} memory;

static OPJ_SIZE_T write_memory(void *buffer, OPJ_SIZE_T n, void *user) {
    memory *m = user;
    if (n > m->capacity - m->at) {
        return (OPJ_SIZE_T)-1;
    }
    memcpy(m->dst + m->at, buffer, n);
    m->at += n;
    m->end = m->at > m->end ? m->at : m->end;
    return n;
}

static OPJ_OFF_T skip_memory(OPJ_OFF_T n, void *user) {
    ((memory *)user)->at += (size_t)n;
    return n;
}

static OPJ_BOOL seek_memory(OPJ_OFF_T at, void *user) {
    ((memory *)user)->at = (size_t)at;
    return OPJ_TRUE;
}

/* One slice; returns the bytes of its codestream, 0 where OpenJPEG fails. */
static size_t encode_slice(const uint8_t *samples, uint32_t width, uint32_t height,
                           int n_resolutions, memory *target) {
    opj_image_cmptparm_t component = {
        .dx = 1, .dy = 1, .w = width, .h = height, .prec = 8, .bpp = 8};
    opj_cparameters_t parameters;
    char comment[] = "";
    opj_image_t *image = opj_image_create(1, &component, OPJ_CLRSPC_GRAY);
    opj_codec_t *codec = opj_create_compress(OPJ_CODEC_J2K);
    opj_stream_t *stream = opj_stream_create((OPJ_SIZE_T)1 << 16, OPJ_FALSE);
    size_t n = (size_t)width * height;
    image->x1 = width;
    image->y1 = height;
    for (size_t i = 0; i < n; i++) {
        image->comps[0].data[i] = samples[i];
    }
    opj_stream_set_user_data(stream, target, NULL);
    opj_stream_set_write_function(stream, write_memory);
    opj_stream_set_skip_function(stream, skip_memory);
    opj_stream_set_seek_function(stream, seek_memory);
    opj_set_default_encoder_parameters(&parameters);
    parameters.numresolution = n_resolutions;
    parameters.cp_comment = comment;
    parameters.tcp_numlayers = 1;
    parameters.cp_disto_alloc = 1;
    int is_coded = opj_setup_encoder(codec, &parameters, image) &&
                   opj_start_compress(codec, image, stream) && opj_encode(codec, stream) &&
                   opj_end_compress(codec, stream);
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    opj_image_destroy(image);
    return is_coded ? target->end : 0;
}

size_t encode_slices(const uint8_t *samples, size_t n_slices, uint32_t width, uint32_t height,
                     int n_resolutions, uint8_t *dst, size_t capacity) {
    size_t used = 0;
    for (size_t k = 0; k < n_slices; k++) {
        memory target = {.dst = dst + used, .capacity = capacity - used};
        size_t nbytes =
            encode_slice(samples + k * width * height, width, height, n_resolutions, &target);
        if (nbytes == 0) {
            return 0;
        }
        used += nbytes;
    }
    return used;
}
