#define _GNU_SOURCE
#include "open_datasets.h"

#include "chunk.h"
#include "dataset_uses.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The open datasets of one library. Ids are never given out twice, and neither type nor chunks nor
 * filters of a dataset change: each is looked at once. */
typedef struct survey {
    struct survey *next;
    const medroi_hdf5_api *hdf5;
    medroi_h5_lock lock;
    unsigned generation;
    medroi_hid *ids; /* in order */
    size_t n_ids;
    medroi_h5_uses uses;
    int has_virtual;
} survey;

static survey *surveys;
static medroi_h5_lock surveys_lock = MEDROI_H5_UNLOCKED;
static atomic_uint generation;

void medroi_h5_forget_datasets(void) { atomic_fetch_add(&generation, 1); }

static survey *survey_of(const medroi_hdf5_api *hdf5) {
    survey *found;
    medroi_h5_lock_take(&surveys_lock);
    for (found = surveys; found != NULL && found->hdf5 != hdf5; found = found->next) {
    }
    if (found == NULL && (found = calloc(1, sizeof *found)) != NULL) {
        found->hdf5 = hdf5;
        medroi_h5_lock_init(&found->lock);
        found->next = surveys;
        surveys = found;
    }
    medroi_h5_lock_release(&surveys_lock);
    return found;
}

static void clear(survey *known) {
    free(known->ids);
    free(known->uses.items);
    known->ids = NULL;
    known->n_ids = 0;
    memset(&known->uses, 0, sizeof known->uses);
    known->has_virtual = 0;
}

static int by_id(const void *one, const void *other) {
    const medroi_hid a = *(const medroi_hid *)one, b = *(const medroi_hid *)other;
    return (a > b) - (a < b);
}

/* The ids of all open datasets, in order; NULL where there is no memory. */
static medroi_hid *open_ids(const medroi_hdf5_api *hdf5, size_t *n_ids) {
    intptr_t n = hdf5->get_obj_count(H5_ALL_FILES, H5_OBJ_DATASET);
    size_t room = n > 0 ? (size_t)n : 0;
    medroi_hid *ids = malloc((room + 1) * sizeof *ids);
    *n_ids = 0;
    if (ids == NULL) {
        return NULL;
    }
    if (room > 0) {
        n = hdf5->get_obj_ids(H5_ALL_FILES, H5_OBJ_DATASET, room, ids);
        *n_ids = n > 0 ? ((size_t)n < room ? (size_t)n : room) : 0;
    }
    qsort(ids, *n_ids, sizeof *ids, by_id);
    return ids;
}

static int is_known(const survey *known, medroi_hid id) {
    return known->n_ids > 0 && bsearch(&id, known->ids, known->n_ids, sizeof id, by_id) != NULL;
}

/* Bring what is known to the datasets that are open now; 0 where there is no memory. */
static int refresh(survey *known) {
    size_t n_ids = 0, kept = 0;
    medroi_hid *ids = open_ids(known->hdf5, &n_ids);
    medroi_h5_uses *uses = &known->uses;
    int enough = ids != NULL;
    if (!enough) {
        return 0;
    }
    for (size_t i = 0; i < uses->n; i++) {
        if (bsearch(&uses->items[i].dataset, ids, n_ids, sizeof *ids, by_id) != NULL) {
            uses->items[kept++] = uses->items[i];
        }
    }
    uses->n = kept;
    for (size_t i = 0; enough && i < n_ids; i++) {
        if (!is_known(known, ids[i])) {
            enough = medroi_h5_add_uses(known->hdf5, ids[i], uses, &known->has_virtual);
        }
    }
    free(known->ids);
    known->ids = ids;
    known->n_ids = n_ids;
    return enough;
}

static medroi_status judge(const survey *known, const unsigned *words, size_t n_words,
                           const medroi_layout *found, size_t *n_same, medroi_error *error) {
    *n_same = 0;
    for (size_t i = 0; i < known->uses.n; i++) {
        const medroi_h5_use *use = &known->uses.items[i];
        if (use->n_words != n_words ||
            (n_words > 0 && memcmp(use->words, words, n_words * sizeof *words) != 0)) {
            continue;
        }
        ++*n_same;
        if (!use->is_sound || !medroi_cd_same_chunk(&use->layout, found)) {
            return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                               "corrupt dataset: the chunk's stream holds %d axes, %" PRId64
                               " x ..., of %u bytes an element, but an open dataset with the same "
                               "filter parameters has chunks of %d axes, %" PRId64
                               " x ..., of %u bytes an element; nothing is decoded",
                               (int)found->ndim, found->shape[0], (unsigned)found->itemsize,
                               (int)use->layout.ndim, use->layout.shape[0],
                               (unsigned)use->layout.itemsize);
        }
    }
    return MEDROI_OK;
}

static medroi_status decide(survey *known, const unsigned *words, size_t n_words,
                            const medroi_layout *found, medroi_error *error) {
    size_t n_same = 0;
    medroi_status status;
    if (known->generation != atomic_load(&generation)) {
        clear(known);
        known->generation = atomic_load(&generation);
    }
    for (int turn = 0; turn < 2; turn++) {
        if (!refresh(known)) {
            clear(known);
            return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a list of open datasets");
        }
        status = judge(known, words, n_words, found, &n_same, error);
        if (status != MEDROI_OK || n_same > 0) {
            return status;
        }
        if (!known->has_virtual) {
            break;
        }
        clear(known); /* a source of a virtual dataset may have come since */
    }
    if (known->hdf5->checks_chunks) {
        return MEDROI_OK;
    }
    return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                       "no dataset with these filter parameters is open, so that nothing proves "
                       "the size of its chunks to this version of HDF5: open the dataset itself "
                       "(the source, where a virtual dataset is read) and keep it open");
}

medroi_status medroi_h5_admit(const void *hdf5, const unsigned *words, size_t n_words,
                              const medroi_layout *found, medroi_error *error) {
    survey *known = survey_of(hdf5);
    medroi_status status;
    if (known == NULL) {
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a list of open datasets");
    }
    medroi_h5_lock_take(&known->lock);
    status = decide(known, words, n_words, found, error);
    medroi_h5_lock_release(&known->lock);
    return status;
}
