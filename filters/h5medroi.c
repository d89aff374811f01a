/* The plugin: what HDF5 looks for, and the three callbacks of the filter. */
#include "chunk.h"
#include "hdf5_api.h"
#include "hosted.h"
#include "local.h"
#include "open_datasets.h"
#include "report.h"

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

static void *reserve(void *hdf5, size_t capacity) {
    return ((const medroi_hdf5_api *)hdf5)->allocate_memory(capacity, false);
}

static medroi_status encode_chunk(const medroi_hdf5_api *hdf5, const unsigned *words,
                                  size_t n_words, const void *data, size_t nbytes,
                                  medroi_output *stream, medroi_error *error) {
    *stream = (medroi_output){.reserve = reserve, .user = (void *)(uintptr_t)hdf5};
    medroi_status status = medroi_h5_encode(words, n_words, data, nbytes, stream, error);
    if (status != MEDROI_OK && stream->data != NULL) {
        (void)hdf5->free_memory(stream->data);
    }
    return status;
}

static medroi_status decode_chunk(const medroi_hdf5_api *hdf5, const unsigned *words,
                                  size_t n_words, const void *stream, size_t nbytes,
                                  medroi_output *chunk, medroi_error *error) {
    medroi_h5_memory out = {.allocate = hdf5->allocate_memory,
                            .release = hdf5->free_memory,
                            .admit = medroi_h5_admit,
                            .owner = hdf5};
    medroi_status status = medroi_h5_decode(words, n_words, stream, nbytes, &out, error);
    *chunk = (medroi_output){.data = out.data, .nbytes = out.nbytes, .capacity = out.capacity};
    return status;
}

/* HDF5's contract: 0 and untouched pointers on failure. */
static size_t filter(unsigned flags, size_t n_words, const unsigned *words, size_t nbytes,
                     size_t *capacity, void **data) {
    const medroi_hdf5_api *hdf5 = MEDROI_CALLING_HDF5();
    const int is_reading = (flags & H5_FLAG_REVERSE) != 0;
    medroi_output out;
    medroi_error error;
    medroi_status status;
    if (hdf5 == NULL) {
        (void)no_library("filter");
        return 0;
    }
    status = (is_reading ? decode_chunk : encode_chunk)(hdf5, words, n_words, *data, nbytes, &out,
                                                        &error);
    if (status != MEDROI_OK) {
        medroi_h5_report(hdf5, is_reading ? "decode" : "encode", &error);
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

MEDROI_H5_EXPORT int H5PLget_plugin_type(void);
MEDROI_H5_EXPORT const void *H5PLget_plugin_info(void);
MEDROI_H5_EXPORT const medroi_h5_interface *medroi_h5_get_interface(void);

int H5PLget_plugin_type(void) { return H5_PLUGIN_FILTER; }

const void *H5PLget_plugin_info(void) {
    medroi_h5_forget_datasets();
    return &medroi_class;
}

static medroi_status decode(const unsigned *words, size_t n_words, const void *stream,
                            size_t nbytes, void *data, size_t data_nbytes, medroi_error *error) {
    medroi_h5_memory out = {.data = data, .capacity = data_nbytes};
    return medroi_h5_decode(words, n_words, stream, nbytes, &out, error);
}

const medroi_h5_interface *medroi_h5_get_interface(void) {
    static const medroi_h5_interface interface = {.version = MEDROI_H5_INTERFACE_VERSION,
                                                  .last_error = medroi_h5_last_error,
                                                  .set_host = medroi_h5_set_host,
                                                  .register_inner = medroi_register_inner,
                                                  .keep = medroi_h5_keep,
                                                  .reader = medroi_h5_reader,
                                                  .encode = medroi_h5_encode,
                                                  .decode = decode};
    return &interface;
}
