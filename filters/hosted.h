/* Inner codecs that Python runs. A Python process hands the plugin two functions; in a tool
 * without Python there are none, and a chunk that needs them is refused with the codec's name. */
#ifndef MEDROI_HOSTED_H
#define MEDROI_HOSTED_H

#include "chunk.h"

/* Memory for a coded chunk, asked for once its size is known. */
typedef void *(*medroi_h5_reserve)(void *context, size_t nbytes);

/* Both return a medroi_status and write a message into `text` where it is not MEDROI_OK. */
typedef struct medroi_h5_hook {
    /* `background` holds element bits where the settings behind the key name none, else NULL.
     * `data` may be NULL: only say whether the key is known. */
    int (*encode)(uint64_t key, const medroi_layout *layout, const uint64_t *background,
                  const void *data, medroi_h5_reserve reserve, void *context, char *text,
                  size_t text_nbytes);
    /* `inner_id` is the inner codec that cd_values name, `key` what stands for its settings there,
     * or 0: a stream of another inner codec is refused. */
    int (*decode)(uint16_t inner_id, uint64_t key, const void *stream, size_t nbytes, void *data,
                  size_t data_nbytes, char *text, size_t text_nbytes);
} medroi_h5_hook;

/* NULL takes the hook away: Python is about to end. */
void medroi_h5_set_hook(const medroi_h5_hook *hook);

/* Refuse with the codec's name, unless there is a hook. */
medroi_status medroi_h5_need_hook(uint16_t inner_id, medroi_error *error);

/* `config` was resolved for `layout`. data == NULL: only whether the key is known. */
medroi_status medroi_h5_hosted_encode(const medroi_cd_values *config, const medroi_layout *layout,
                                      const void *data, medroi_h5_memory *out, medroi_error *error);
medroi_status medroi_h5_hosted_decode(const medroi_cd_values *config, const void *stream,
                                      size_t nbytes, medroi_h5_memory *out, medroi_error *error);

#endif
