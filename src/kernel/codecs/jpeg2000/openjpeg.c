/* Slices to JPEG 2000 codestreams and back through OpenJPEG, in memory. */
#ifdef MEDROI_HAVE_OPENJPEG
#include "codecs/jpeg2000/jpeg2000.h"

#include <openjpeg.h>
#include <stdio.h>
#include <string.h>

#define MAX_RESOLUTIONS 6
#define IO_BUFFER_NBYTES ((OPJ_SIZE_T)1 << 16)

typedef struct memory {
    const uint8_t *src; /* reading */
    uint8_t *dst;       /* writing */
    size_t nbytes;      /* readable, or capacity */
    size_t at;
    size_t end; /* furthest byte written */
} memory;

/* The first error of the library; its warnings are no news to anybody. */
typedef struct message {
    char text[160];
} message;

static OPJ_SIZE_T read_memory(void *buffer, OPJ_SIZE_T wanted, void *user) {
    memory *m = user;
    size_t left = m->nbytes - m->at, n = wanted < left ? wanted : left;
    if (n == 0) {
        return (OPJ_SIZE_T)-1;
    }
    memcpy(buffer, m->src + m->at, n);
    m->at += n;
    return n;
}

static OPJ_SIZE_T write_memory(void *buffer, OPJ_SIZE_T n, void *user) {
    memory *m = user;
    if (n > m->nbytes - m->at) {
        return (OPJ_SIZE_T)-1;
    }
    memcpy(m->dst + m->at, buffer, n);
    m->at += n;
    m->end = m->at > m->end ? m->at : m->end;
    return n;
}

static OPJ_OFF_T skip_memory(OPJ_OFF_T n, void *user) {
    memory *m = user;
    if (n < 0 || (uint64_t)n > m->nbytes - m->at) {
        return -1;
    }
    m->at += (size_t)n;
    return n;
}

static OPJ_BOOL seek_memory(OPJ_OFF_T at, void *user) {
    memory *m = user;
    if (at < 0 || (uint64_t)at > m->nbytes) {
        return OPJ_FALSE;
    }
    m->at = (size_t)at;
    return OPJ_TRUE;
}

static opj_stream_t *open_memory(memory *m, OPJ_BOOL is_input) {
    opj_stream_t *stream = opj_stream_create(IO_BUFFER_NBYTES, is_input);
    if (stream != NULL) {
        opj_stream_set_user_data(stream, m, NULL);
        opj_stream_set_user_data_length(stream, is_input ? m->nbytes : 0);
        opj_stream_set_read_function(stream, read_memory);
        opj_stream_set_write_function(stream, write_memory);
        opj_stream_set_skip_function(stream, skip_memory);
        opj_stream_set_seek_function(stream, seek_memory);
    }
    return stream;
}

static void keep_first(const char *text, void *user) {
    message *kept = user;
    if (kept->text[0] == '\0') {
        snprintf(kept->text, sizeof kept->text, "%s", text);
        kept->text[strcspn(kept->text, "\r\n")] = '\0';
    }
}

static void ignore(const char *text, void *user) {
    (void)text;
    (void)user;
}

static void listen(opj_codec_t *codec, message *kept) {
    kept->text[0] = '\0';
    opj_set_error_handler(codec, keep_first, kept);
    opj_set_warning_handler(codec, ignore, NULL);
    opj_set_info_handler(codec, ignore, NULL);
}

static opj_image_t *image_of(const medroi_j2k_slice *slice, const int32_t *samples) {
    opj_image_cmptparm_t component = {.dx = 1,
                                      .dy = 1,
                                      .w = slice->width,
                                      .h = slice->height,
                                      .prec = slice->precision,
                                      .bpp = slice->precision};
    opj_image_t *image = opj_image_create(1, &component, OPJ_CLRSPC_GRAY);
    if (image != NULL) {
        image->x1 = slice->width;
        image->y1 = slice->height;
        memcpy(image->comps[0].data, samples,
               (size_t)slice->width * slice->height * sizeof *samples);
    }
    return image;
}

static void set_parameters(const medroi_j2k_slice *slice, const medroi_j2k_quality *quality,
                           char *comment, opj_cparameters_t *parameters) {
    uint32_t shorter = slice->width < slice->height ? slice->width : slice->height;
    opj_set_default_encoder_parameters(parameters);
    parameters->numresolution = 1;
    while (parameters->numresolution < MAX_RESOLUTIONS &&
           shorter >> parameters->numresolution != 0) {
        parameters->numresolution++;
    }
    parameters->cp_comment = comment; /* the library's own would name its version */
    parameters->tcp_numlayers = 1;
    parameters->irreversible = quality->mode != MEDROI_J2K_LOSSLESS;
    if (quality->mode == MEDROI_J2K_PSNR) {
        parameters->cp_fixed_quality = 1;
        parameters->tcp_distoratio[0] = (float)quality->target;
    } else {
        parameters->cp_disto_alloc = 1;
        parameters->tcp_rates[0] = quality->mode == MEDROI_J2K_RATE ? (float)quality->target : 0;
    }
}

medroi_status medroi_j2k_encode(const medroi_j2k_slice *slice, const int32_t *samples,
                                const medroi_j2k_quality *quality, uint8_t *dst, size_t capacity,
                                size_t *nbytes, medroi_error *error) {
    medroi_status status = MEDROI_OK;
    opj_cparameters_t parameters;
    char comment[] = "";
    memory target = {.dst = dst, .nbytes = capacity};
    message kept = {""};
    opj_codec_t *codec = opj_create_compress(OPJ_CODEC_J2K);
    opj_image_t *image = image_of(slice, samples);
    opj_stream_t *stream = open_memory(&target, OPJ_FALSE);
    if (codec == NULL || image == NULL || stream == NULL) {
        status = medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a slice of %u x %u",
                             slice->width, slice->height);
        goto done;
    }
    listen(codec, &kept);
    set_parameters(slice, quality, comment, &parameters);
    if (!opj_setup_encoder(codec, &parameters, image) ||
        !opj_start_compress(codec, image, stream) || !opj_encode(codec, stream) ||
        !opj_end_compress(codec, stream)) {
        status = medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                             "OpenJPEG cannot code a slice of %u x %u, %u bits: %s", slice->width,
                             slice->height, slice->precision, kept.text);
        goto done;
    }
    *nbytes = target.end;
done:
    opj_stream_destroy(stream);
    opj_image_destroy(image);
    opj_destroy_codec(codec);
    return status;
}

static int is_slice(const opj_image_t *image, const medroi_j2k_slice *slice) {
    const opj_image_comp_t *component = image->comps;
    return image->numcomps == 1 && component->w == slice->width && component->h == slice->height &&
           component->prec >= 1 && component->prec <= 16 && !component->sgnd;
}

medroi_status medroi_j2k_decode(const medroi_j2k_slice *slice, const uint8_t *src, size_t nbytes,
                                int32_t *samples, medroi_error *error) {
    memory source = {.src = src, .nbytes = nbytes};
    message kept = {""};
    opj_dparameters_t parameters;
    opj_image_t *image = NULL;
    medroi_status status = medroi_j2k_check(slice, src, nbytes, error);
    if (status != MEDROI_OK) {
        return status;
    }
    opj_codec_t *codec = opj_create_decompress(OPJ_CODEC_J2K);
    opj_stream_t *stream = open_memory(&source, OPJ_TRUE);
    if (codec == NULL || stream == NULL) {
        status = medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a slice of %u x %u",
                             slice->width, slice->height);
        goto done;
    }
    listen(codec, &kept);
    opj_set_default_decoder_parameters(&parameters);
    int decoded = opj_setup_decoder(codec, &parameters);
#if OPJ_VERSION_MAJOR > 2 || OPJ_VERSION_MINOR >= 5
    decoded = decoded && opj_decoder_set_strict_mode(codec, OPJ_TRUE);
#endif
    decoded = decoded && opj_read_header(stream, codec, &image) && is_slice(image, slice) &&
              opj_decode(codec, stream, image) && opj_end_decompress(codec, stream);
    if (!decoded || !is_slice(image, slice) || image->comps[0].data == NULL) {
        status = medroi_fail(error, MEDROI_CORRUPT_STREAM,
                             "corrupt stream: a JPEG 2000 codestream does not decode: %s",
                             kept.text[0] != '\0' ? kept.text : "not a slice of its part");
        goto done;
    }
    memcpy(samples, image->comps[0].data, (size_t)slice->width * slice->height * sizeof *samples);
done:
    opj_image_destroy(image);
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    return status;
}
#else
typedef int medroi_no_openjpeg; /* a file without declarations is no C */
#endif
