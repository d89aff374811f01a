/* A configuration as the parameters of an HDF5 filter, its cd_values: at most 20 words of 32 bits
 * (Debian's h5dump prints garbage beyond). FORMAT.md, section 11, holds the same table.
 *
 * The user part comes from whoever makes a dataset; words that are left off take the table's
 * defaults. The local part, element type and size of the chunk, is put behind it when a dataset is
 * created, and again when the filter is given its own output. Reading needs none of these words:
 * the stream says it all. What the local part says is checked against it.
 *
 * A key names settings in a table of the process that made them, for inner codecs that run in
 * Python.
 */
#ifndef MEDROI_CD_VALUES_H
#define MEDROI_CD_VALUES_H

#include "engine/config.h"

#define MEDROI_MAX_WORDS 20
#define MEDROI_MAX_CHUNK_AXES 6

/* A row of the table: bits of one word, or two words with the low one first. */
typedef struct medroi_cd_field {
    int word;
    int bit; /* the lowest */
    int n_bits;
    uint64_t fallback; /* what stands there where the word is left off */
    const char *meaning;
} medroi_cd_field;
const medroi_cd_field *medroi_cd_fields(size_t *n);

/* The configuration and the chunk that words hold. */
typedef struct medroi_cd_values {
    medroi_config asked;      /* its inner codec is native, or left to the key */
    medroi_settings settings; /* what it means for a layout, once resolved */
    int32_t has_key;
    uint64_t key;
    int32_t n_user;   /* words of the user part */
    int32_t has_fill; /* `fill` is the dataset's fill value, as it was at creation */
    uint64_t fill;    /* element bits */
    int32_t has_local;
    medroi_layout layout; /* from the local part; axes are those of the volume */
} medroi_cd_values;

/* Read and check the words. */
medroi_status medroi_cd_read(const unsigned *words, size_t n, medroi_cd_values *found,
                             medroi_error *error);

/* 1: the words have no room for the settings of the inner codec: a key has to stand for them. */
int medroi_cd_needs_key(const medroi_config *config);

/* The user part for a configuration; `key` is asked for where it is needed. */
medroi_status medroi_cd_write(const medroi_config *config, uint64_t key,
                              unsigned words[MEDROI_MAX_WORDS], size_t *n, medroi_error *error);

/* Put the local part for `layout` behind the user part of `found`, which came from `words`. */
medroi_status medroi_cd_add_chunk(const medroi_cd_values *found, const unsigned *words,
                                  const medroi_layout *layout, unsigned out[MEDROI_MAX_WORDS],
                                  size_t *n_out, medroi_error *error);

/* A scan's region, of which every chunk is a crop, all else in it background already. */
typedef struct medroi_cd_crop {
    medroi_roi roi;
    uint8_t axes;        /* bit i: axis i of the array belongs to the volume */
    uint8_t voxel_mask;  /* as in medroi_region_options */
    uint64_t background; /* element bits */
} medroi_cd_crop;

/* The words of a dataset, with their local part, but for what the region of the scan decides. As
 * many as there were. */
medroi_status medroi_cd_for_crops(const unsigned *words, size_t n, const medroi_cd_crop *crop,
                                  unsigned out[MEDROI_MAX_WORDS], medroi_error *error);

/* The axes and the background of `found` for this element type and number of axes: sets
 * layout->axes and found->settings. */
medroi_status medroi_cd_resolve(medroi_cd_values *found, medroi_layout *layout,
                                medroi_error *error);

/* 1: the same shape, kind, itemsize and byte order. */
int medroi_cd_same_chunk(const medroi_layout *one, const medroi_layout *other);

#endif
