#include "hosted.h"

#include <stdatomic.h>
#include <string.h>

static medroi_h5_hook hook;
static atomic_int has_hook;
static atomic_int had_hook;

void medroi_h5_set_hook(const medroi_h5_hook *given) {
    atomic_store(&has_hook, 0);
    if (given != NULL) {
        hook = *given;
        atomic_store(&had_hook, 1);
        atomic_store(&has_hook, 1);
    }
}

static const char *name_of(uint16_t id) {
    const char *name = medroi_inner_name(id);
    return name != NULL ? name : id < 64 ? "of a newer version" : "of another package";
}

medroi_status medroi_h5_need_hook(uint16_t inner_id, medroi_error *error) {
    if (atomic_load(&has_hook)) {
        return MEDROI_OK;
    }
    if (atomic_load(&had_hook)) {
        return medroi_fail(error, MEDROI_INNER_UNAVAILABLE,
                           "inner codec %u (%s) runs in Python, which has ended: close the file "
                           "before the program ends",
                           (unsigned)inner_id, name_of(inner_id));
    }
    return medroi_fail(error, MEDROI_INNER_UNAVAILABLE,
                       "inner codec %u (%s) is not part of this plugin; Python has it: import "
                       "medroi.hdf5 there, or run `medroi unpack`",
                       (unsigned)inner_id, name_of(inner_id));
}

static void *reserve(void *context, size_t nbytes) {
    medroi_h5_memory *out = context;
    if (out->data == NULL) {
        out->data = out->allocate(nbytes > 0 ? nbytes : 1, false);
        out->capacity = out->nbytes = nbytes;
    }
    return out->nbytes == nbytes ? out->data : NULL;
}

static medroi_status finish(int status, medroi_error *error) {
    error->text[sizeof error->text - 1] = '\0';
    error->status = status >= MEDROI_OK && status <= MEDROI_NO_MEMORY ? (medroi_status)status
                                                                      : MEDROI_INVALID_ARGUMENT;
    return error->status;
}

medroi_status medroi_h5_hosted_encode(const medroi_cd_values *config, const medroi_layout *layout,
                                      const void *data, medroi_h5_memory *out,
                                      medroi_error *error) {
    const uint64_t *background = config->asked.background == MEDROI_BACKGROUND_FILL
                                     ? &config->settings.region.background
                                     : NULL;
    int status;
    error->text[0] = '\0';
    status = hook.encode(config->key, layout, background, data, reserve, out, error->text,
                         sizeof error->text);
    if (status == MEDROI_OK && data != NULL && out->data == NULL) {
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a coded chunk");
    }
    return finish(status, error);
}

medroi_status medroi_h5_hosted_decode(const medroi_cd_values *config, const void *stream,
                                      size_t nbytes, medroi_h5_memory *out, medroi_error *error) {
    uint64_t key = config->has_key ? config->key : 0;
    error->text[0] = '\0';
    return finish(hook.decode(config->asked.coder.id, key, stream, nbytes, out->data, out->nbytes,
                              error->text, sizeof error->text),
                  error);
}
