/* What a Python process reaches in the plugin: the only symbol besides the two that HDF5 looks for.
 * Structs are those of medroi.h: both are built from it. */
#ifndef MEDROI_INTERFACE_H
#define MEDROI_INTERFACE_H

#include "include/medroi.h"

#define MEDROI_H5_INTERFACE_VERSION 4
/* PROVISIONAL: in the range for testing (32768 to 65535) until The HDF Group registers one. */
#define MEDROI_H5_FILTER_ID 33054

/* Register the inner codec with this id with the plugin, or refuse: nobody here has it. */
typedef medroi_status (*medroi_h5_provide)(void *user, uint16_t inner_id, medroi_error *error);

typedef struct medroi_h5_interface {
    uint32_t version;
    /* The last failure in this thread; empty where there was none. */
    const char *(*last_error)(void);
    /* Who is asked for inner codecs that are not registered; NULL: nobody any more, and those that
     * are registered are called no more. */
    void (*set_host)(medroi_h5_provide provide, void *user);
    /* medroi_register_inner() of the plugin's own engine. */
    medroi_status (*register_inner)(const medroi_codec *codec, void *user, medroi_error *error);
    /* Keep settings of an inner codec under a key of cd_values, for good: the parameters of one of
     * the kernel's, or else what a registered one is called with. */
    medroi_status (*keep)(uint64_t key, uint16_t inner_id, const double *params, void *settings,
                          medroi_error *error);
    /* Inner codec and key (or 0) in the cd_values of the chunk that this thread decodes. */
    void (*reader)(uint16_t *inner_id, uint64_t *key);
    /* One chunk with complete cd_values, outside HDF5. */
    medroi_status (*encode)(const unsigned *words, size_t n_words, const void *data, size_t nbytes,
                            medroi_output *stream, medroi_error *error);
    medroi_status (*decode)(const unsigned *words, size_t n_words, const void *stream,
                            size_t nbytes, void *data, size_t data_nbytes, medroi_error *error);
} medroi_h5_interface;

typedef const medroi_h5_interface *(*medroi_h5_get)(void);

#endif
