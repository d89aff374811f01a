/* cd_values to a configuration and back, by one table. */
#include "engine/cd_values.h"

#include "base/layout.h"
#include "engine/engine.h"

#include <math.h>
#include <string.h>

#define VERSION 1
#define N_FIXED 10 /* words before the parameters */
#define WORD_INNER 1
#define WORD_REGION 2
/* Leaves five of the words for the chunk's element type and up to four sizes. */
#define MAX_PARAM_WORDS 5

enum { STORED_ZERO, STORED_INT, STORED_FLOAT };

/* Rows of the table. */
enum {
    TABLE_VERSION,
    N_USER,
    HAS_FILL,
    INNER_ID,
    STORAGE,
    HAS_KEY,
    RULE,
    DARK,
    ROI,
    BACKGROUND_KIND,
    AXES,
    AXES_FROM_LAST,
    SLICE_AXIS,
    LARGEST,
    NO_BACKGROUND,
    VOXEL_MASK,
    PADDING,
    THRESHOLD,
    MISS_RATE,
    BACKGROUND,
    N_FIELDS
};

static const medroi_cd_field fields[N_FIELDS] = {
    [TABLE_VERSION] = {0, 0, 8, VERSION, "version, 1"},
    [N_USER] = {0, 8, 8, 0, "number of user words; only with the local part"},
    [HAS_FILL] = {0, 16, 1, 0, "words 8-9 hold the dataset's fill value; only with the local part"},
    [INNER_ID] = {1, 0, 16, 2, "inner codec id"},
    [STORAGE] = {1, 16, 14, STORED_INT | STORED_INT << 2,
                 "storage of its seven parameters, two bits each, first one lowest, see below"},
    [HAS_KEY] = {1, 31, 1, 0, "a 64-bit key instead"},
    [RULE] = {2, 0, 3, MEDROI_THRESHOLD_AUTO,
              "threshold: 0 none, 1 number, 2 mean, 3 otsu, 4 noise, 5 auto"},
    [DARK] = {2, 3, 1, 0, "polarity dark"},
    [ROI] = {2, 4, 2, MEDROI_ROI_BOX, "region: 0 box, 1 mask"},
    [BACKGROUND_KIND] = {2, 6, 2, 0, "background: 0 float64, 1 auto, 2 int64, 3 uint64"},
    [AXES] = {2, 8, 8, 0, "volume axes, one bit each; none for the last three"},
    [AXES_FROM_LAST] = {2, 16, 1, 0, "the bits of the volume axes count from the last axis"},
    [SLICE_AXIS] = {2, 17, 5, 0, "slice axis + 9; 0 for the outermost"},
    [LARGEST] = {2, 22, 1, 0, "the largest component alone counts"},
    [NO_BACKGROUND] = {2, 23, 1, 1,
                       "no background is given (bits 6-7 are 0): it is the dataset's fill value, 0 "
                       "if that is undefined"},
    [VOXEL_MASK] = {2, 24, 1, 0,
                    "masks of streams that keep every voxel have tiles of one voxel (section 4.1)"},
    [PADDING] = {3, 0, 32, 3, "padding in voxels"},
    [THRESHOLD] = {4, 0, 64, 0, "threshold, float64"},
    [MISS_RATE] = {6, 0, 64, 0x3f60624dd2f1a9fcu, "max_miss_rate, float64"},
    [BACKGROUND] = {8, 0, 64, 0,
                    "background, 64 bits; with bit 16 of word 0 the fill value instead: element "
                    "bits, zero-extended"},
};
/* Parameters of the default inner codec. */
static const unsigned default_params[] = {3, 1};
enum { N_DEFAULT = N_FIXED + sizeof default_params / sizeof *default_params };

const medroi_cd_field *medroi_cd_fields(size_t *n) {
    *n = N_FIELDS;
    return fields;
}

static uint64_t load64(const unsigned *words) {
    return (uint64_t)words[0] | (uint64_t)words[1] << 32;
}

static void store64(unsigned *words, uint64_t value) {
    words[0] = (unsigned)value;
    words[1] = (unsigned)(value >> 32);
}

static double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static unsigned mask_of(const medroi_cd_field *field) {
    return (unsigned)(((uint64_t)1 << field->n_bits) - 1) << field->bit;
}

static uint64_t get(const unsigned *words, int row) {
    const medroi_cd_field *field = &fields[row];
    return field->n_bits == 64 ? load64(words + field->word)
                               : (words[field->word] & mask_of(field)) >> field->bit;
}

static void put(unsigned *words, int row, uint64_t value) {
    const medroi_cd_field *field = &fields[row];
    if (field->n_bits == 64) {
        store64(words + field->word, value);
    } else {
        words[field->word] &= ~mask_of(field);
        words[field->word] |= (unsigned)value << field->bit & mask_of(field);
    }
}

/* Bits of a word that mean nothing. */
static unsigned unknown_bits(const unsigned *words, int word) {
    unsigned known = 0;
    for (int row = 0; row < N_FIELDS; row++) {
        known |= fields[row].word == word ? mask_of(&fields[row]) : 0;
    }
    return words[word] & ~known;
}

/* The user part with every word that was left off. */
static void fill_up(const unsigned *given, size_t n_given, unsigned words[MEDROI_MAX_WORDS]) {
    memset(words, 0, MEDROI_MAX_WORDS * sizeof *words);
    for (int row = 0; row < N_FIELDS; row++) {
        put(words, row, fields[row].fallback);
    }
    memcpy(words + N_FIXED, default_params, sizeof default_params);
    if (n_given > 0) {
        memcpy(words, given, n_given * sizeof *words);
    }
}

static int has_default_inner(const unsigned *words) {
    return get(words, INNER_ID) == fields[INNER_ID].fallback &&
           get(words, STORAGE) == fields[STORAGE].fallback && get(words, HAS_KEY) == 0;
}

static medroi_status wrong(medroi_error *error, const char *what, unsigned found) {
    return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                       "cd_values: %s %u is not one that this version knows (FORMAT.md lists them)",
                       what, found);
}

/* --- Words to a configuration --- */

static unsigned storage_of(const unsigned *words, int param) {
    return (unsigned)get(words, STORAGE) >> 2 * param & 3;
}

/* Words of the parameters that word 1 announces; -1 where a storage is unknown. */
static int n_param_words(const unsigned *words) {
    int n = 0;
    if (get(words, HAS_KEY)) {
        return 2;
    }
    for (int i = 0; i < MEDROI_MAX_PARAMS; i++) {
        unsigned stored = storage_of(words, i);
        if (stored > STORED_FLOAT) {
            return -1;
        }
        n += (int)stored;
    }
    return n;
}

static void read_inner(const unsigned *words, medroi_cd_values *found) {
    const unsigned *next = words + N_FIXED;
    medroi_coder *coder = &found->asked.coder;
    coder->id = (uint16_t)get(words, INNER_ID);
    found->has_key = get(words, HAS_KEY) != 0;
    if (found->has_key) {
        found->key = load64(next);
        return;
    }
    coder->native = medroi_find_inner(coder->id);
    for (int i = 0; i < MEDROI_MAX_PARAMS; i++) {
        unsigned stored = storage_of(words, i);
        if (stored == STORED_INT) {
            coder->params[i] = (int32_t)*next;
        } else if (stored == STORED_FLOAT) {
            coder->params[i] = double_of(load64(next));
        }
        next += stored;
    }
}

static int read_axes(const unsigned *words, medroi_config *asked) {
    unsigned bits = (unsigned)get(words, AXES);
    for (int32_t i = 0; i < MEDROI_MAX_AXES; i++) {
        if (bits >> i & 1) {
            if (asked->n_axes == 3) {
                return 0;
            }
            asked->axes[asked->n_axes++] = get(words, AXES_FROM_LAST) ? -1 - i : i;
        }
    }
    return 1;
}

static medroi_status read_region(const unsigned *words, medroi_cd_values *found,
                                 medroi_error *error) {
    medroi_config *asked = &found->asked;
    medroi_region_options *region = &asked->region;
    unsigned rule = (unsigned)get(words, RULE), roi = (unsigned)get(words, ROI);
    unsigned slice_axis = (unsigned)get(words, SLICE_AXIS);
    int is_given = get(words, NO_BACKGROUND) == 0;
    if (rule > MEDROI_THRESHOLD_AUTO) {
        return wrong(error, "threshold rule", rule);
    }
    if (roi > MEDROI_ROI_MASK) {
        return wrong(error, "region", roi);
    }
    if (slice_axis > 16 || unknown_bits(words, WORD_REGION) ||
        (!is_given && get(words, BACKGROUND_KIND)) || !read_axes(words, asked)) {
        return wrong(error, "word 2 with the value", words[WORD_REGION]);
    }
    region->threshold_rule = (medroi_threshold)rule;
    region->dark = (uint8_t)get(words, DARK);
    region->roi = (medroi_roi)roi;
    region->padding = (int64_t)get(words, PADDING);
    region->threshold = double_of(get(words, THRESHOLD));
    region->max_miss_rate = double_of(get(words, MISS_RATE));
    region->largest_only = (uint8_t)get(words, LARGEST);
    region->voxel_mask = (uint8_t)get(words, VOXEL_MASK);
    asked->background =
        is_given ? (medroi_background)get(words, BACKGROUND_KIND) : MEDROI_BACKGROUND_FILL;
    asked->background_word = get(words, BACKGROUND);
    found->fill = asked->background_word;
    asked->has_slice_axis = slice_axis != 0;
    asked->slice_axis = (int32_t)slice_axis - 9;
    if (isnan(region->threshold) || region->padding > INT32_MAX ||
        !(region->max_miss_rate >= 0.0 && region->max_miss_rate <= 1.0)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "cd_values: threshold %g, max_miss_rate %g, padding %lld; expected a "
                           "number, 0 to 1, and below 2147483648",
                           region->threshold, region->max_miss_rate, (long long)region->padding);
    }
    return MEDROI_OK;
}

/* Words of a file can say anything; what follows relies on elements that exist. */
static int is_element(const medroi_layout *layout) {
    return layout->kind != 0 && strchr("biufcSV", layout->kind) != NULL &&
           medroi_is_known_element(layout->kind, layout->itemsize);
}

static medroi_status read_local(const unsigned *words, size_t n, medroi_cd_values *found,
                                medroi_error *error) {
    medroi_layout *layout = &found->layout;
    size_t ndim = n > 0 ? words[0] & 15 : 0;
    if (ndim < 1 || ndim > MEDROI_MAX_CHUNK_AXES || n != 1 + ndim || (words[0] & 0xe0) != 0) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "cd_values: their %zu words on the chunk are not what was written when "
                           "the dataset was created",
                           n);
    }
    layout->ndim = (int32_t)ndim;
    layout->big_endian = words[0] >> 4 & 1;
    layout->kind = (char)(words[0] >> 8 & 255);
    layout->itemsize = (uint16_t)(words[0] >> 16);
    for (size_t i = 0; i < ndim; i++) {
        layout->shape[i] = words[1 + i];
    }
    if (!is_element(layout)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "cd_values: an element of kind %u and %u bytes is none that the filter "
                           "writes",
                           (unsigned)(uint8_t)layout->kind, (unsigned)layout->itemsize);
    }
    found->has_local = 1;
    return MEDROI_OK;
}

medroi_status medroi_cd_read(const unsigned *words, size_t n, medroi_cd_values *found,
                             medroi_error *error) {
    unsigned user[MEDROI_MAX_WORDS];
    int has_local = n > 0 && words[0] >> 8 != 0, n_params;
    size_t n_user = has_local ? (size_t)get(words, N_USER) : n;
    medroi_status status;
    memset(found, 0, sizeof *found);
    if (n > MEDROI_MAX_WORDS || n_user > n || (has_local && unknown_bits(words, 0))) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "cd_values: %zu words, of which %zu from the user; at most %d fit", n,
                           n_user, MEDROI_MAX_WORDS);
    }
    if (n > 0 && get(words, TABLE_VERSION) != VERSION) {
        return medroi_fail(error, MEDROI_UNSUPPORTED_VERSION,
                           "cd_values of version %u; this version of medroi knows %d: upgrade it",
                           (unsigned)get(words, TABLE_VERSION), VERSION);
    }
    fill_up(words, n_user, user);
    n_params = n_param_words(user);
    if (n_params < 0 || unknown_bits(user, WORD_INNER)) {
        return wrong(error, "inner codec word", user[WORD_INNER]);
    }
    if (n_user > (size_t)(N_FIXED + n_params) ||
        (n_user < (size_t)(N_FIXED + n_params) && !has_default_inner(user))) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "cd_values: %zu words from the user; inner codec word %u needs %d",
                           n_user, user[WORD_INNER], N_FIXED + n_params);
    }
    found->n_user = (int32_t)n_user;
    found->has_fill = has_local && get(words, HAS_FILL);
    medroi_config_init(&found->asked);
    read_inner(user, found);
    status = read_region(user, found, error);
    if (status == MEDROI_OK && has_local) {
        status = read_local(words + n_user, n - n_user, found, error);
    }
    return status;
}

/* --- A configuration to words --- */

static unsigned storage_for(double param) {
    if (bits_of(param) == 0) {
        return STORED_ZERO;
    }
    return param != 0 && param == floor(param) && param >= INT32_MIN && param <= INT32_MAX
               ? STORED_INT
               : STORED_FLOAT;
}

int medroi_cd_needs_key(const medroi_config *config) {
    unsigned n = 0;
    for (int i = 0; i < MEDROI_MAX_PARAMS; i++) {
        n += storage_for(config->coder.params[i]);
    }
    return config->coder.native == NULL || n > MAX_PARAM_WORDS;
}

static size_t write_inner(const medroi_config *config, uint64_t key, unsigned *words) {
    unsigned *next = words + N_FIXED, storage = 0;
    put(words, INNER_ID, config->coder.id);
    if (medroi_cd_needs_key(config)) {
        put(words, HAS_KEY, 1);
        put(words, STORAGE, 0);
        store64(next, key);
        return N_FIXED + 2;
    }
    for (int i = 0; i < MEDROI_MAX_PARAMS; i++) {
        double param = config->coder.params[i];
        unsigned stored = storage_for(param);
        if (stored == STORED_INT) {
            *next = (unsigned)(int32_t)param;
        } else if (stored == STORED_FLOAT) {
            store64(next, bits_of(param));
        }
        next += stored;
        storage |= stored << 2 * i;
    }
    put(words, STORAGE, storage);
    return (size_t)(next - words);
}

static medroi_status write_axes(const medroi_config *config, unsigned *words, medroi_error *error) {
    unsigned bits = 0;
    for (int32_t i = 0; i < config->n_axes; i++) {
        int32_t axis = config->axes[i];
        unsigned bit = 1u << (axis < 0 ? -1 - axis : axis);
        if ((axis < 0) != (config->axes[0] < 0)) {
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "axes %d and %d: give all of them from the first axis (0, 1, ...) "
                               "or all from the last (-1, -2, ...)",
                               (int)config->axes[0], (int)axis);
        }
        if (bits & bit) {
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "axis %d is given twice: expected 1 to 3 different axes of a chunk",
                               (int)axis);
        }
        bits |= bit;
    }
    put(words, AXES, bits);
    put(words, AXES_FROM_LAST, config->n_axes > 0 && config->axes[0] < 0);
    return MEDROI_OK;
}

medroi_status medroi_cd_write(const medroi_config *config, uint64_t key,
                              unsigned words[MEDROI_MAX_WORDS], size_t *n, medroi_error *error) {
    const medroi_region_options *region = &config->region;
    int is_given = config->background != MEDROI_BACKGROUND_FILL;
    int is_number = region->threshold_rule == MEDROI_THRESHOLD_NUMBER;
    fill_up(NULL, 0, words);
    put(words, RULE, (uint64_t)region->threshold_rule);
    put(words, DARK, region->dark);
    put(words, ROI, (uint64_t)region->roi);
    put(words, NO_BACKGROUND, !is_given);
    put(words, BACKGROUND_KIND, is_given ? (uint64_t)config->background : 0);
    put(words, BACKGROUND, is_given ? config->background_word : 0);
    put(words, SLICE_AXIS, config->has_slice_axis ? (uint64_t)(config->slice_axis + 9) : 0);
    put(words, LARGEST, region->largest_only);
    put(words, VOXEL_MASK, region->voxel_mask);
    put(words, PADDING, (uint64_t)region->padding);
    put(words, THRESHOLD, is_number ? bits_of(region->threshold) : 0);
    put(words, MISS_RATE, bits_of(region->max_miss_rate));
    *n = write_inner(config, key, words);
    return write_axes(config, words, error);
}

/* --- The chunk --- */

medroi_status medroi_cd_add_chunk(const medroi_cd_values *found, const unsigned *words,
                                  const medroi_layout *layout, unsigned out[MEDROI_MAX_WORDS],
                                  size_t *n_out, medroi_error *error) {
    size_t n_user = (size_t)found->n_user, ndim = (size_t)layout->ndim;
    unsigned user[MEDROI_MAX_WORDS];
    fill_up(words, n_user, user);
    if (n_user < N_DEFAULT && has_default_inner(user)) {
        n_user = N_DEFAULT;
    }
    if (n_user + 1 + ndim > MEDROI_MAX_WORDS) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "cd_values: %zu words of settings and %d axes need more than the %d "
                           "words there are; name fewer parameters or use medroi.hdf5.MedROIFilter",
                           n_user, (int)layout->ndim, MEDROI_MAX_WORDS);
    }
    put(user, N_USER, n_user);
    put(user, HAS_FILL, found->has_fill != 0);
    if (found->has_fill) {
        put(user, BACKGROUND, found->fill);
    }
    memcpy(out, user, n_user * sizeof *out);
    out[n_user] = (unsigned)layout->ndim | (unsigned)layout->big_endian << 4 |
                  (unsigned)(uint8_t)layout->kind << 8 | (unsigned)layout->itemsize << 16;
    for (size_t i = 0; i < ndim; i++) {
        out[n_user + 1 + i] = (unsigned)layout->shape[i];
    }
    *n_out = n_user + 1 + ndim;
    return MEDROI_OK;
}

medroi_status medroi_cd_for_crops(const unsigned *words, size_t n, const medroi_cd_crop *crop,
                                  unsigned out[MEDROI_MAX_WORDS], medroi_error *error) {
    medroi_cd_values found;
    medroi_status status = medroi_cd_read(words, n, &found, error);
    if (status == MEDROI_OK && (!found.has_local || found.n_user < N_FIXED)) {
        status = medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                             "cd_values do not hold the chunk's shape: the dataset was not created "
                             "with this filter loaded");
    }
    if (status != MEDROI_OK) {
        return status;
    }
    medroi_fix_background(&found.asked, &found.layout, crop->background);
    memset(out, 0, MEDROI_MAX_WORDS * sizeof *out);
    memcpy(out, words, n * sizeof *out);
    put(out, HAS_FILL, 0);
    put(out, RULE, MEDROI_THRESHOLD_NONE);
    put(out, THRESHOLD, 0);
    put(out, ROI, crop->roi);
    put(out, AXES, crop->axes);
    put(out, AXES_FROM_LAST, 0);
    put(out, NO_BACKGROUND, 0);
    put(out, BACKGROUND_KIND, found.asked.background);
    put(out, BACKGROUND, found.asked.background_word);
    put(out, VOXEL_MASK, crop->voxel_mask);
    return MEDROI_OK;
}

medroi_status medroi_cd_resolve(medroi_cd_values *found, medroi_layout *layout,
                                medroi_error *error) {
    return medroi_resolve(&found->asked, found->has_fill ? &found->fill : NULL, layout,
                          &found->settings, error);
}

int medroi_cd_same_chunk(const medroi_layout *one, const medroi_layout *other) {
    int same = one->ndim == other->ndim && one->kind == other->kind &&
               one->itemsize == other->itemsize && one->big_endian == other->big_endian;
    for (int32_t i = 0; same && i < one->ndim; i++) {
        same = one->shape[i] == other->shape[i];
    }
    return same;
}
