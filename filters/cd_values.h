/* The filter's cd_values: at most 20 words of 32 bits (Debian's h5dump prints garbage beyond).
 *
 * The user part comes from H5Pset_filter (create_dataset, h5repack -f UD=...). Words that are
 * left off take the defaults below; at least none, at most all may be given.
 *
 *   word    meaning                                                              default
 *   0       bits 0-7 version of this table, 1; a user writes 1. With the local
 *           part: bits 8-15 number of user words, bit 16 words 8-9 hold the
 *           dataset's fill value                                                 1
 *   1       bits 0-15 inner codec id (FORMAT.md section 6); bits 16-27 how each
 *           of its six parameters is stored, two bits each, first parameter
 *           lowest: 0 is 0.0, no word; 1 is a signed integer, one word; 2 is a
 *           float64, two words; bit 31: a 64-bit key instead of parameters       0x50002
 *   2       bits 0-2 threshold rule: 0 none (lossless), 1 number, 2 mean, 3 otsu,
 *           4 noise, 5 auto; bit 3 dark polarity; bits 4-5 region: 0 box, 1 hull;
 *           bits 6-7 background: 0 float64, 1 auto, 2 int64, 3 uint64; bits 8-15
 *           volume axes, one bit each, 0 is the last three; bit 16 the axes are
 *           counted from the last one (bit 8 is axis -1); bits 17-21 slice axis
 *           + 9 (so -8 to 7 are 1 to 16), 0 is the outermost; bit 22 the largest
 *           component alone counts; bit 23 no background is given: it is the
 *           dataset's fill value (bits 6-7 and words 8-9 are 0)               0x800005
 *   3       padding in voxels                                                    3
 *   4-5     threshold, float64, low word first (0 unless the rule is number)     0.0
 *   6-7     max_miss_rate, float64, low word first                               0.002
 *   8-9     background, 64 bits, low word first (0 where it is auto)             0
 *   10-     parameters of the inner codec, or the key, low words first           3, 1
 *
 * The local part is written behind the user part when a dataset is created (set_local), and
 * written again when its own output comes back (h5repack):
 *
 *   +0      bits 0-3 number of axes; bit 4 big-endian; bits 8-15 kind as in FORMAT.md;
 *           bits 16-31 itemsize
 *   +1-     chunk size along each axis
 *
 * A key names settings in a table of the process that made them (medroi.hdf5.MedROIFilter), for
 * inner codecs that run in Python. Reading needs none of these words: the stream says it all. What
 * the local part says is checked against it.
 */
#ifndef MEDROI_CD_VALUES_H
#define MEDROI_CD_VALUES_H

#include "engine/engine.h"

/* PROVISIONAL: in the range for testing (32768 to 65535) until The HDF Group registers one. */
#define MEDROI_H5_FILTER_ID 33054
#define MEDROI_H5_MAX_WORDS 20
#define MEDROI_H5_MAX_NDIM 6

/* What the words say. */
typedef struct medroi_h5_config {
    medroi_config asked;      /* as any face's configuration */
    medroi_settings settings; /* what it means for a layout, once resolved */
    int32_t has_key;
    uint64_t key;
    int32_t n_user;   /* words of the user part */
    int32_t has_fill; /* `fill` is the dataset's fill value, as it was at creation */
    uint64_t fill;    /* element bits */
    int32_t has_local;
    medroi_layout layout; /* from the local part; axes are those of the volume */
} medroi_h5_config;

/* Read and check the words. */
medroi_status medroi_h5_parse(const unsigned *words, size_t n, medroi_h5_config *config,
                              medroi_error *error);

/* Put the local part for `layout` behind the user part of `config`, which came from `words`. */
medroi_status medroi_h5_add_local(const medroi_h5_config *config, const unsigned *words,
                                  const medroi_layout *layout, unsigned out[MEDROI_H5_MAX_WORDS],
                                  size_t *n_out, medroi_error *error);

/* The axes and the background of `config` for this element type and number of axes: sets
 * layout->axes and config->settings.region.background. */
medroi_status medroi_h5_resolve(medroi_h5_config *config, medroi_layout *layout,
                                medroi_error *error);

#endif
