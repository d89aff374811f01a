/* What Python reaches in the plugin: the only symbol besides the two that HDF5 looks for. */
#ifndef MEDROI_INTERFACE_H
#define MEDROI_INTERFACE_H

#include "hosted.h"

#define MEDROI_H5_INTERFACE_VERSION 3

typedef struct medroi_h5_interface {
    uint32_t version;
    uint32_t filter_id;
    void (*set_hook)(const medroi_h5_hook *hook);
    const char *(*last_error)(void);
    int (*has_inner)(uint16_t inner_id);
    /* One chunk with complete cd_values, outside HDF5. Both return a medroi_status and write a
     * message into `text` where it is not MEDROI_OK. `*stream` is given back with release(). */
    int (*encode)(const unsigned *words, size_t n_words, const void *data, size_t nbytes,
                  void **stream, size_t *stream_nbytes, char *text, size_t text_nbytes);
    int (*decode)(const unsigned *words, size_t n_words, const void *stream, size_t nbytes,
                  void *data, size_t data_nbytes, char *text, size_t text_nbytes);
    void (*release)(void *);
} medroi_h5_interface;

const medroi_h5_interface *medroi_h5_get_interface(void);

#endif
