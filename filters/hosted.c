#include "hosted.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct host {
    medroi_h5_provide provide;
    void *user;
} host;

static host current;
static atomic_int has_host;
static atomic_int had_host;

/* Settings by key. They are added and never taken away, so that readers need no lock, which a fork
 * could leave locked. */
typedef struct kept {
    struct kept *next;
    uint64_t key;
    uint16_t inner_id;
    uint8_t is_native;
    double params[MEDROI_MAX_PARAMS];
    void *settings;
} kept;
static _Atomic(kept *) all_kept;

static _Thread_local struct {
    uint16_t inner_id;
    uint64_t key;
} reader;

void medroi_h5_set_host(medroi_h5_provide provide, void *user) {
    atomic_store(&has_host, 0);
    if (provide != NULL) {
        current = (host){provide, user};
        atomic_store(&had_host, 1);
        atomic_store(&has_host, 1);
    }
}

static const char *name_of(uint16_t id) {
    const char *name = medroi_inner_name(id);
    return name != NULL ? name : id < 64 ? "of a newer version" : "of another package";
}

static medroi_status need_host(uint16_t inner_id, medroi_error *error) {
    if (atomic_load(&has_host)) {
        return MEDROI_OK;
    }
    if (atomic_load(&had_host)) {
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

medroi_status medroi_h5_find_hosted(uint16_t inner_id, const medroi_hosted **hosted,
                                    medroi_error *error) {
    medroi_status status = need_host(inner_id, error);
    *hosted = medroi_find_hosted(inner_id);
    if (status == MEDROI_OK && *hosted == NULL) {
        status = current.provide(current.user, inner_id, error);
        *hosted = medroi_find_hosted(inner_id); /* another thread may have been faster */
        if (*hosted != NULL) {
            status = MEDROI_OK;
        } else if (status == MEDROI_OK) {
            status = medroi_fail(error, MEDROI_INNER_UNAVAILABLE,
                                 "inner codec %u (%s) was not registered with the plugin",
                                 (unsigned)inner_id, name_of(inner_id));
        }
    }
    return status;
}

static const kept *find_kept(uint64_t key) {
    const kept *found = atomic_load(&all_kept);
    while (found != NULL && found->key != key) {
        found = found->next;
    }
    return found;
}

medroi_status medroi_h5_keep(uint64_t key, uint16_t inner_id, const double *params, void *settings,
                             medroi_error *error) {
    kept *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for the settings of an inner codec");
    }
    made->key = key;
    made->inner_id = inner_id;
    made->is_native = params != NULL;
    if (params != NULL) {
        memcpy(made->params, params, sizeof made->params);
    }
    made->settings = settings;
    made->next = atomic_load(&all_kept);
    while (!atomic_compare_exchange_weak(&all_kept, &made->next, made)) {
    }
    return MEDROI_OK;
}

static medroi_status find_by_key(const medroi_cd_values *config, medroi_coder *coder,
                                 medroi_error *error) {
    const kept *found = find_kept(config->key);
    if (found == NULL) {
        medroi_status status = need_host(coder->id, error);
        return status != MEDROI_OK
                   ? status
                   : medroi_fail(error, MEDROI_INNER_UNAVAILABLE,
                                 "the settings of this dataset's inner codec, %u (%s), are known "
                                 "only to a process that made them: call "
                                 "medroi.hdf5.MedROIFilter(...) with the options that the dataset "
                                 "was created with, then write",
                                 (unsigned)coder->id, name_of(coder->id));
    }
    if (found->inner_id != coder->id) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "cd_values name inner codec %u (%s), but their key is of one with id %u",
                           (unsigned)coder->id, name_of(coder->id), (unsigned)found->inner_id);
    }
    coder->settings = found->settings;
    if (!found->is_native) {
        return medroi_h5_find_hosted(coder->id, &coder->hosted, error);
    }
    coder->native = medroi_find_inner(coder->id);
    memcpy(coder->params, found->params, sizeof coder->params);
    return MEDROI_OK;
}

medroi_status medroi_h5_find_coder(const medroi_cd_values *config, medroi_coder *coder,
                                   medroi_error *error) {
    medroi_status status;
    *coder = config->asked.coder;
    if (config->has_key) {
        return find_by_key(config, coder, error);
    }
    if (coder->native != NULL) {
        return MEDROI_OK;
    }
    status = need_host(coder->id, error);
    return status != MEDROI_OK ? status
                               : medroi_fail(error, MEDROI_INNER_UNAVAILABLE,
                                             "inner codec id %u is not part of this plugin; name "
                                             "it with medroi.hdf5.MedROIFilter(inner=...)",
                                             (unsigned)coder->id);
}

void medroi_h5_set_reader(const medroi_cd_values *config) {
    reader.inner_id = config->asked.coder.id;
    reader.key = config->has_key ? config->key : 0;
}

void medroi_h5_reader(uint16_t *inner_id, uint64_t *key) {
    *inner_id = reader.inner_id;
    *key = reader.key;
}
