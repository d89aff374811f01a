#include "local.h"
#include "base/layout.h"

#include "chunk.h"
#include "element.h"
#include "engine/cd_values.h"
#include "interface.h"

#include <string.h>

/* One dataset that is being created. */
typedef struct dataset {
    medroi_cd_values config;
    medroi_layout layout;
    unsigned words[MEDROI_MAX_WORDS];
    size_t n_words;
    unsigned flags;
} dataset;

static medroi_status check_position(const medroi_hdf5_api *hdf5, medroi_hid dcpl,
                                    medroi_error *error) {
    char name[64] = "";
    size_t n_words = 0;
    int id = hdf5->get_filter2(dcpl, 0, NULL, &n_words, NULL, sizeof name, name, NULL);
    name[sizeof name - 1] = '\0';
    if (id >= 0 && id != MEDROI_H5_FILTER_ID) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "filter %d (%s) is in front of medroi, which must be the first to see "
                           "the voxels: leave it out",
                           id, name);
    }
    return MEDROI_OK;
}

static medroi_status read_words(const medroi_hdf5_api *hdf5, medroi_hid dcpl, dataset *found,
                                medroi_error *error) {
    found->n_words = MEDROI_MAX_WORDS;
    if (hdf5->get_filter_by_id2(dcpl, MEDROI_H5_FILTER_ID, &found->flags, &found->n_words,
                                found->words, 0, NULL, NULL) < 0) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "the dataset's creation list does not name this filter");
    }
    return medroi_cd_read(found->words, found->n_words, &found->config, error);
}

static uint64_t element_bits(const uint8_t *element, const medroi_layout *layout) {
    uint64_t bits = 0;
    for (unsigned i = 0; i < layout->itemsize; i++) {
        unsigned k = layout->big_endian ? layout->itemsize - 1u - i : i;
        bits |= (uint64_t)element[k] << 8 * i;
    }
    return bits;
}

/* Only while a dataset is being created: later the fill value of HDF5's own creation list has no
 * type of its own, and HDF5 crashes where it is asked for it. What is found now stays in cd_values.
 */
static medroi_status read_fill(const medroi_hdf5_api *hdf5, medroi_hid dcpl, medroi_hid type,
                               dataset *found, medroi_error *error) {
    uint8_t element[8] = {0};
    int defined = H5_FILL_UNDEFINED;
    found->config.has_fill = 0;
    if (medroi_h5_keeps_all(&found->config.asked.region, &found->layout) &&
        found->config.asked.background != MEDROI_BACKGROUND_FILL) {
        return MEDROI_OK;
    }
    if (!medroi_kind_is_intensity(found->layout.kind) ||
        hdf5->fill_value_defined(dcpl, &defined) < 0 || defined == H5_FILL_UNDEFINED) {
        return MEDROI_OK;
    }
    if (hdf5->get_fill_value(dcpl, type, element) < 0) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "the dataset's fill value cannot be read as one of its elements");
    }
    found->config.fill = element_bits(element, &found->layout);
    found->config.has_fill = 1;
    return MEDROI_OK;
}

/* Voxels that nobody wrote hold the fill value, also in chunks that reach past the edge: what is
 * outside the region of such a chunk would come back as background. */
static medroi_status check_fill(dataset *found, medroi_error *error) {
    const medroi_settings *settings = &found->config.settings;
    if (!found->config.has_fill || settings->auto_background ||
        found->config.asked.background == MEDROI_BACKGROUND_FILL) {
        return MEDROI_OK;
    }
    found->config.has_fill = 0; /* words 8-9 hold the background, which is the same */
    return medroi_h5_compare_fill(&found->layout, settings->region.background, found->config.fill,
                                  error);
}

static medroi_status inspect(const medroi_hdf5_api *hdf5, medroi_hid dcpl, medroi_hid type,
                             int is_new, dataset *found, medroi_error *error) {
    medroi_status status;
    memset(found, 0, sizeof *found);
    if (dcpl < 0) { /* HDF5 asks like this for the links of a group */
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "this filter codes the chunks of datasets, and nothing of groups");
    }
    status = check_position(hdf5, dcpl, error);
    if (status == MEDROI_OK) {
        status = read_words(hdf5, dcpl, found, error);
    }
    if (status == MEDROI_OK) {
        status = medroi_h5_read_chunk(hdf5, dcpl, &found->layout, error);
    }
    if (status == MEDROI_OK) {
        status = medroi_h5_element(hdf5, type, &found->layout, error);
    }
    if (status == MEDROI_OK && is_new) {
        status = read_fill(hdf5, dcpl, type, found, error);
    }
    if (status == MEDROI_OK) {
        status = medroi_cd_resolve(&found->config, &found->layout, error);
    }
    if (status == MEDROI_OK) {
        status = medroi_h5_check_inner(&found->config, &found->layout, error);
    }
    return status == MEDROI_OK && is_new ? check_fill(found, error) : status;
}

medroi_status medroi_h5_check_dataset(const medroi_hdf5_api *hdf5, medroi_hid dcpl, medroi_hid type,
                                      medroi_error *error) {
    dataset found;
    return inspect(hdf5, dcpl, type, 0, &found, error);
}

medroi_status medroi_h5_set_local(const medroi_hdf5_api *hdf5, medroi_hid dcpl, medroi_hid type,
                                  medroi_error *error) {
    dataset found;
    unsigned words[MEDROI_MAX_WORDS];
    size_t n_words = 0;
    medroi_status status = inspect(hdf5, dcpl, type, 1, &found, error);
    if (status == MEDROI_OK) {
        status =
            medroi_cd_add_chunk(&found.config, found.words, &found.layout, words, &n_words, error);
    }
    if (status == MEDROI_OK &&
        hdf5->modify_filter(dcpl, MEDROI_H5_FILTER_ID, found.flags & ~H5_FLAG_OPTIONAL, n_words,
                            words) < 0) {
        status = medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                             "HDF5 does not take the filter's parameters back");
    }
    return status;
}
