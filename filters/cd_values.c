/* cd_values to settings, and back where HDF5 asks for the local part. */
#include "cd_values.h"

#include "base/layout.h"

#include <math.h>
#include <string.h>

#define VERSION 1
#define N_FIXED 10 /* words before the parameters */
#define WORD_INNER 1
#define WORD_REGION 2
#define WORD_PADDING 3
#define WORD_THRESHOLD 4
#define WORD_MISS_RATE 6
#define WORD_BACKGROUND 8
#define FILL_KEPT 0x10000u
#define NO_BACKGROUND 0x800000u /* in word 2 */
#define HAS_KEY 0x80000000u
#define DEFAULT_INNER 0x50002u /* zstd, two parameters of one word */

enum { PARAM_ZERO, PARAM_INT, PARAM_FLOAT };

static const unsigned defaults[N_FIXED + 2] = {VERSION,
                                               DEFAULT_INNER,
                                               MEDROI_THRESHOLD_AUTO | NO_BACKGROUND,
                                               3,
                                               0,
                                               0,
                                               0xd2f1a9fcu,
                                               0x3f60624du,
                                               0,
                                               0,
                                               3,
                                               1};

static uint64_t load64(const unsigned *words) {
    return (uint64_t)words[0] | (uint64_t)words[1] << 32;
}

static double load_double(const unsigned *words) {
    uint64_t bits = load64(words);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static medroi_status wrong(medroi_error *error, const char *what, unsigned found) {
    return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                       "cd_values: %s %u is not one that this version knows (FORMAT.md lists them)",
                       what, found);
}

/* Words of the parameters that word 1 announces; -1 where a code is unknown. */
static int n_param_words(unsigned inner_word) {
    int n = 0;
    if (inner_word & HAS_KEY) {
        return 2;
    }
    for (int i = 0; i < MEDROI_MAX_PARAMS; i++) {
        unsigned code = inner_word >> (16 + 2 * i) & 3;
        if (code > PARAM_FLOAT) {
            return -1;
        }
        n += (int)code;
    }
    return n;
}

static void read_params(const unsigned *words, medroi_h5_config *config) {
    const unsigned *next = words + N_FIXED;
    config->has_key = (words[WORD_INNER] & HAS_KEY) != 0;
    if (config->has_key) {
        config->key = load64(next);
        return;
    }
    for (int i = 0; i < MEDROI_MAX_PARAMS; i++) {
        unsigned code = words[WORD_INNER] >> (16 + 2 * i) & 3;
        if (code == PARAM_INT) {
            config->asked.coder.params[i] = (int32_t)*next;
        } else if (code == PARAM_FLOAT) {
            config->asked.coder.params[i] = load_double(next);
        }
        next += code;
    }
}

/* Axes of the volume, from a bit for each. */
static int read_axes(unsigned word, medroi_config *asked) {
    unsigned mask = word >> 8 & 255, from_last = word >> 16 & 1;
    asked->n_axes = 0;
    for (int32_t i = 0; i < 8; i++) {
        if (mask >> i & 1) {
            if (asked->n_axes == 3) {
                return 0;
            }
            asked->axes[asked->n_axes++] = from_last ? -1 - i : i;
        }
    }
    return 1;
}

static medroi_status read_region(const unsigned *words, medroi_h5_config *config,
                                 medroi_error *error) {
    medroi_config *asked = &config->asked;
    medroi_region_options *region = &asked->region;
    unsigned word = words[WORD_REGION], rule = word & 7, roi = word >> 4 & 3;
    unsigned slice_axis = word >> 17 & 31;
    if (rule > MEDROI_THRESHOLD_AUTO) {
        return wrong(error, "threshold rule", rule);
    }
    if (roi > MEDROI_ROI_HULL) {
        return wrong(error, "region", roi);
    }
    if (slice_axis > 16 || word >> 24 != 0 || ((word & NO_BACKGROUND) && (word >> 6 & 3)) ||
        !read_axes(word, asked)) {
        return wrong(error, "word 2 with the value", word);
    }
    region->threshold_rule = (medroi_threshold)rule;
    region->dark = word >> 3 & 1;
    region->roi = (medroi_roi)roi;
    region->padding = words[WORD_PADDING];
    region->threshold = load_double(words + WORD_THRESHOLD);
    region->max_miss_rate = load_double(words + WORD_MISS_RATE);
    region->largest_only = word >> 22 & 1;
    asked->background =
        word & NO_BACKGROUND ? MEDROI_BACKGROUND_FILL : (medroi_background)(word >> 6 & 3);
    asked->background_word = load64(words + WORD_BACKGROUND);
    config->fill = asked->background_word;
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

static medroi_status read_local(const unsigned *words, size_t n, medroi_h5_config *config,
                                medroi_error *error) {
    medroi_layout *layout = &config->layout;
    size_t ndim = n > 0 ? words[0] & 15 : 0;
    if (ndim < 1 || ndim > MEDROI_H5_MAX_NDIM || n != 1 + ndim || (words[0] & 0xe0) != 0) {
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
    config->has_local = 1;
    return MEDROI_OK;
}

medroi_status medroi_h5_parse(const unsigned *words, size_t n, medroi_h5_config *config,
                              medroi_error *error) {
    unsigned user[MEDROI_H5_MAX_WORDS] = {0};
    int has_local = n > 0 && words[0] >> 8 != 0, n_params;
    size_t n_user = has_local ? words[0] >> 8 & 255 : n;
    medroi_status status;
    memset(config, 0, sizeof *config);
    if (n > MEDROI_H5_MAX_WORDS || n_user > n || (has_local && words[0] >> 17 != 0)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "cd_values: %zu words, of which %zu from the user; at most %d fit", n,
                           n_user, MEDROI_H5_MAX_WORDS);
    }
    if (n > 0 && (words[0] & 255) != VERSION) {
        return medroi_fail(error, MEDROI_UNSUPPORTED_VERSION,
                           "cd_values of version %u; this version of medroi knows %d: upgrade it",
                           words[0] & 255, VERSION);
    }
    memcpy(user, defaults, sizeof defaults);
    if (n_user > 0) {
        memcpy(user, words, n_user * sizeof *words);
    }
    n_params = n_param_words(user[WORD_INNER]);
    if (n_params < 0 || user[WORD_INNER] >> 28 & 7) {
        return wrong(error, "inner codec word", user[WORD_INNER]);
    }
    if (n_user > (size_t)(N_FIXED + n_params) ||
        (n_user < (size_t)(N_FIXED + n_params) && user[WORD_INNER] != DEFAULT_INNER)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "cd_values: %zu words from the user; inner codec word %u needs %d",
                           n_user, user[WORD_INNER], N_FIXED + n_params);
    }
    config->n_user = (int32_t)n_user;
    config->has_fill = n > 0 && (words[0] & FILL_KEPT) != 0;
    medroi_config_init(&config->asked);
    config->asked.coder.id = (uint16_t)(user[WORD_INNER] & 0xffff);
    config->asked.coder.native = medroi_find_inner(config->asked.coder.id);
    read_params(user, config);
    status = read_region(user, config, error);
    if (status == MEDROI_OK && has_local) {
        status = read_local(words + n_user, n - n_user, config, error);
    }
    return status;
}

medroi_status medroi_h5_add_local(const medroi_h5_config *config, const unsigned *words,
                                  const medroi_layout *layout, unsigned out[MEDROI_H5_MAX_WORDS],
                                  size_t *n_out, medroi_error *error) {
    size_t n_user = (size_t)config->n_user;
    unsigned user[MEDROI_H5_MAX_WORDS];
    memcpy(user, defaults, sizeof defaults);
    if (n_user > 0) {
        memcpy(user, words, n_user * sizeof *words);
    }
    if (n_user < sizeof defaults / sizeof *defaults && user[WORD_INNER] == DEFAULT_INNER) {
        n_user = sizeof defaults / sizeof *defaults;
    }
    if (n_user + 1 + (size_t)layout->ndim > MEDROI_H5_MAX_WORDS) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "cd_values: %zu words of settings and %d axes need more than the %d "
                           "words there are; name fewer parameters or use medroi.hdf5.MedROIFilter",
                           n_user, (int)layout->ndim, MEDROI_H5_MAX_WORDS);
    }
    user[0] = VERSION | (unsigned)n_user << 8;
    if (config->has_fill) {
        user[0] |= FILL_KEPT;
        user[WORD_BACKGROUND] = (unsigned)config->fill;
        user[WORD_BACKGROUND + 1] = (unsigned)(config->fill >> 32);
    }
    memcpy(out, user, n_user * sizeof *out);
    out[n_user] = (unsigned)layout->ndim | (unsigned)layout->big_endian << 4 |
                  (unsigned)(uint8_t)layout->kind << 8 | (unsigned)layout->itemsize << 16;
    for (int32_t i = 0; i < layout->ndim; i++) {
        out[n_user + 1 + (size_t)i] = (unsigned)layout->shape[i];
    }
    *n_out = n_user + 1 + (size_t)layout->ndim;
    return MEDROI_OK;
}

medroi_status medroi_h5_resolve(medroi_h5_config *config, medroi_layout *layout,
                                medroi_error *error) {
    return medroi_resolve(&config->asked, config->has_fill ? &config->fill : NULL, layout,
                          &config->settings, error);
}
