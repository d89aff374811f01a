/* The plugin: what HDF5 looks for, and the three callbacks of the filter. */
#include "chunk.h"
#include "hdf5_api.h"
#include "interface.h"
#include "local.h"
#include "open_datasets.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define H5_CLASS_VERSION 1
#define H5_PLUGIN_FILTER 0

/* H5Z_class2_t */
typedef struct filter_class {
    int version;
    int id;
    unsigned encoder_present;
    unsigned decoder_present;
    const char *name;
    int (*can_apply)(medroi_hid, medroi_hid, medroi_hid);
    int (*set_local)(medroi_hid, medroi_hid, medroi_hid);
    size_t (*filter)(unsigned, size_t, const unsigned *, size_t, size_t *, void **);
} filter_class;

static int no_library(const char *function) {
    medroi_error error;
    (void)medroi_fail(&error, MEDROI_INVALID_ARGUMENT,
                      "the HDF5 library that called the filter cannot be found or is older than "
                      "1.10");
    medroi_h5_report(NULL, function, &error);
    return -1;
}

static int can_apply(medroi_hid dcpl, medroi_hid type, medroi_hid space) {
    const medroi_hdf5_api *hdf5 = MEDROI_CALLING_HDF5();
    medroi_error error;
    (void)space;
    if (hdf5 == NULL) {
        return no_library("can_apply");
    }
    if (medroi_h5_check_dataset(hdf5, dcpl, type, &error) != MEDROI_OK) {
        medroi_h5_report(hdf5, "can_apply", &error);
        return -1;
    }
    return 1;
}

static int set_local(medroi_hid dcpl, medroi_hid type, medroi_hid space) {
    const medroi_hdf5_api *hdf5 = MEDROI_CALLING_HDF5();
    medroi_error error;
    (void)space;
    if (hdf5 == NULL) {
        return no_library("set_local");
    }
    if (medroi_h5_set_local(hdf5, dcpl, type, &error) != MEDROI_OK) {
        medroi_h5_report(hdf5, "set_local", &error);
        return -1;
    }
    return 0;
}

/* HDF5's contract: 0 and untouched pointers on failure. */
static size_t filter(unsigned flags, size_t n_words, const unsigned *words, size_t nbytes,
                     size_t *capacity, void **data) {
    const medroi_hdf5_api *hdf5 = MEDROI_CALLING_HDF5();
    medroi_h5_memory out = {0};
    medroi_error error;
    medroi_status status;
    if (hdf5 == NULL) {
        (void)no_library("filter");
        return 0;
    }
    out.allocate = hdf5->allocate_memory;
    out.release = hdf5->free_memory;
    out.admit = medroi_h5_admit;
    out.owner = hdf5;
    if (flags & H5_FLAG_REVERSE) {
        status = medroi_h5_decode(words, n_words, *data, nbytes, &out, &error);
    } else {
        status = medroi_h5_encode(words, n_words, *data, nbytes, &out, &error);
    }
    if (status != MEDROI_OK) {
        medroi_h5_report(hdf5, flags & H5_FLAG_REVERSE ? "decode" : "encode", &error);
        return 0;
    }
    (void)hdf5->free_memory(*data);
    *data = out.data;
    *capacity = out.capacity;
    return out.nbytes;
}

static const filter_class medroi_class = {.version = H5_CLASS_VERSION,
                                          .id = MEDROI_H5_FILTER_ID,
                                          .encoder_present = 1,
                                          .decoder_present = 1,
                                          .name = "medroi",
                                          .can_apply = can_apply,
                                          .set_local = set_local,
                                          .filter = filter};

EXPORT int H5PLget_plugin_type(void);
EXPORT const void *H5PLget_plugin_info(void);
EXPORT const medroi_h5_interface *medroi_h5_get_interface(void);

int H5PLget_plugin_type(void) { return H5_PLUGIN_FILTER; }

const void *H5PLget_plugin_info(void) {
    medroi_h5_forget_datasets();
    return &medroi_class;
}

static void *allocate(size_t nbytes, bool clear) {
    return clear ? calloc(1, nbytes) : malloc(nbytes);
}

static int release(void *memory) {
    free(memory);
    return 0;
}

static void release_stream(void *memory) { free(memory); }

static int has_inner(uint16_t inner_id) { return medroi_find_inner(inner_id) != NULL; }

static int tell(const medroi_error *error, medroi_status status, char *text, size_t text_nbytes) {
    if (status != MEDROI_OK && text_nbytes > 0) {
        size_t n = strlen(error->text);
        n = n < text_nbytes ? n : text_nbytes - 1;
        memcpy(text, error->text, n);
        text[n] = '\0';
    }
    return (int)status;
}

static int encode(const unsigned *words, size_t n_words, const void *data, size_t nbytes,
                  void **stream, size_t *stream_nbytes, char *text, size_t text_nbytes) {
    medroi_h5_memory out = {.allocate = allocate, .release = release};
    medroi_error error;
    medroi_status status = medroi_h5_encode(words, n_words, data, nbytes, &out, &error);
    *stream = out.data;
    *stream_nbytes = out.nbytes;
    return tell(&error, status, text, text_nbytes);
}

static int decode(const unsigned *words, size_t n_words, const void *stream, size_t nbytes,
                  void *data, size_t data_nbytes, char *text, size_t text_nbytes) {
    medroi_h5_memory out = {.data = data, .capacity = data_nbytes};
    medroi_error error;
    medroi_status status = medroi_h5_decode(words, n_words, stream, nbytes, &out, &error);
    return tell(&error, status, text, text_nbytes);
}

const medroi_h5_interface *medroi_h5_get_interface(void) {
    static const medroi_h5_interface interface = {.version = MEDROI_H5_INTERFACE_VERSION,
                                                  .filter_id = MEDROI_H5_FILTER_ID,
                                                  .set_hook = medroi_h5_set_hook,
                                                  .last_error = medroi_h5_last_error,
                                                  .has_inner = has_inner,
                                                  .encode = encode,
                                                  .decode = decode,
                                                  .release = release_stream};
    return &interface;
}
