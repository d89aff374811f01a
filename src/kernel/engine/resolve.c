/* A configuration resolved for one element type and number of axes: axes, slice axis, and the
 * background's bits. */
#include "base/elements.h"
#include "base/layout.h"
#include "engine/config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static medroi_status resolve_axes(const medroi_config *config, medroi_layout *layout,
                                  medroi_error *error) {
    int32_t ndim = layout->ndim;
    unsigned bits = 0;
    if (ndim == 1) {
        layout->axes = 1;
        return MEDROI_OK;
    }
    if (config->n_axes == 0) {
        layout->axes = (uint8_t)(ndim <= 3 ? (1u << ndim) - 1 : 7u << (ndim - 3));
        return MEDROI_OK;
    }
    for (int32_t i = 0; i < config->n_axes; i++) {
        int32_t axis = config->axes[i] < 0 ? config->axes[i] + ndim : config->axes[i];
        if (axis < 0 || axis >= ndim || (bits >> axis & 1)) {
            char text[40];
            int n = 0;
            for (int32_t k = 0; k < config->n_axes; k++) {
                n += snprintf(text + n, sizeof text - (size_t)n, "%s%d", k > 0 ? ", " : "",
                              (int)config->axes[k]);
            }
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "axes=(%s%s) of an array of %d axes; expected 1 to 3 different axes "
                               "in the range %d to %d",
                               text, config->n_axes == 1 ? "," : "", (int)ndim, (int)-ndim,
                               (int)(ndim - 1));
        }
        bits |= 1u << axis;
    }
    layout->axes = (uint8_t)bits;
    return MEDROI_OK;
}

static medroi_status resolve_slice_axis(const medroi_config *config, const medroi_layout *layout,
                                        int32_t *slice_axis, medroi_error *error) {
    int32_t asked = config->slice_axis, ndim = layout->ndim;
    *slice_axis = -1;
    if (!config->has_slice_axis || ndim == 1) {
        return MEDROI_OK;
    }
    if (asked < -ndim || asked >= ndim) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT, "slice_axis=%d of an array of %d axes",
                           (int)asked, (int)ndim);
    }
    *slice_axis = asked < 0 ? asked + ndim : asked;
    return MEDROI_OK;
}

/* The background as it was given. */
typedef struct given_value {
    double number;
    int is_integer;
    int is_negative;
    uint64_t magnitude;
} given_value;

static given_value read_given(medroi_background kind, uint64_t word) {
    given_value given = {0};
    if (kind == MEDROI_BACKGROUND_FLOAT) {
        memcpy(&given.number, &word, sizeof word);
        given.is_negative = signbit(given.number) != 0;
        given.is_integer =
            given.number == floor(given.number) && fabs(given.number) < 0x1p64; /* not inf, NaN */
        given.magnitude = given.is_integer ? (uint64_t)fabs(given.number) : 0;
    } else {
        given.is_integer = 1;
        given.is_negative = kind == MEDROI_BACKGROUND_INT && word >> 63 != 0;
        given.magnitude = given.is_negative ? 0 - word : word;
        given.number = given.is_negative ? -(double)given.magnitude : (double)given.magnitude;
    }
    return given;
}

static int integer_bits(const given_value *given, const medroi_layout *layout, uint64_t *bits) {
    unsigned n_bits = 8u * layout->itemsize;
    uint64_t mask = n_bits == 64 ? UINT64_MAX : ((uint64_t)1 << n_bits) - 1;
    uint64_t most = mask, most_negative = 0;
    if (layout->kind == 'i') {
        most = mask >> 1;
        most_negative = most + 1;
    } else if (layout->kind == 'b') {
        most = 1;
    }
    if (!given->is_integer || given->magnitude > (given->is_negative ? most_negative : most)) {
        return 0;
    }
    *bits = (given->is_negative ? 0 - given->magnitude : given->magnitude) & mask;
    return 1;
}

/* Rounded to the nearest element; a finite number must not become an infinity. */
static int float_bits(const given_value *given, const medroi_layout *layout, uint64_t *bits) {
    *bits = medroi_bits_of_float(layout->itemsize, given->number);
    return isfinite(medroi_float_of_bits(layout->itemsize, *bits)) || !isfinite(given->number);
}

static void name_dtype(const medroi_layout *layout, char text[16]) {
    static const struct {
        char kind;
        const char *name;
    } names[] = {{'i', "int"},     {'u', "uint"},     {'f', "float"},
                 {'c', "complex"}, {'M', "datetime"}, {'m', "timedelta"},
                 {'S', "bytes"},   {'V', "void"},     {'U', "str"}};
    unsigned size = layout->itemsize;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].kind == layout->kind) {
            (void)snprintf(text, 16, "%s%u", names[i].name, 8 * size);
            return;
        }
    }
    (void)snprintf(text, 16, "bool");
}

medroi_status medroi_background_bits(medroi_background kind, uint64_t word,
                                     const medroi_layout *layout, uint64_t *bits,
                                     medroi_error *error) {
    given_value given = read_given(kind, word);
    char number[40], dtype[16];
    int fits, is_number = layout->kind == 'i' || layout->kind == 'u' || layout->kind == 'b';
    *bits = 0;
    if (layout->kind == 'f') {
        fits = float_bits(&given, layout, bits);
    } else if (is_number) {
        fits = integer_bits(&given, layout, bits);
    } else {
        fits = given.number == 0;
    }
    if (fits) {
        return MEDROI_OK;
    }
    if (kind == MEDROI_BACKGROUND_FLOAT) {
        (void)snprintf(number, sizeof number, "%.17g", given.number);
    } else {
        (void)snprintf(number, sizeof number, "%s%" PRIu64, given.is_negative ? "-" : "",
                       given.magnitude);
    }
    name_dtype(layout, dtype);
    if (!is_number && layout->kind != 'f') {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "background=%s for dtype %s: only 0 is possible", number, dtype);
    }
    return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                       "background=%s is not a value of dtype %s; give one that is", number, dtype);
}

/* Elements that are not numbers are all kept: what the background is does not matter there. */
static uint64_t fill_bits(const uint64_t *fill, const medroi_layout *layout) {
    uint64_t mask = layout->itemsize >= 8 ? UINT64_MAX : ((uint64_t)1 << 8 * layout->itemsize) - 1;
    return fill != NULL && medroi_kind_is_intensity(layout->kind) ? *fill & mask : 0;
}

medroi_status medroi_resolve(const medroi_config *config, const uint64_t *fill,
                             medroi_layout *layout, medroi_settings *settings,
                             medroi_error *error) {
    medroi_status status = resolve_axes(config, layout, error);
    memset(settings, 0, sizeof *settings);
    settings->region = config->region;
    memcpy(settings->affine, config->affine, sizeof settings->affine);
    for (int column = 0; column < 3; column++) {
        double sum = 0;
        for (int row = 0; row < 3; row++) {
            double length = (double)config->affine[3 * row + column];
            sum += length * length;
        }
        settings->region.spacing_mm[column] = sqrt(sum);
    }
    if (status == MEDROI_OK) {
        status = resolve_slice_axis(config, layout, &settings->slice_axis, error);
    }
    if (status != MEDROI_OK) {
        return status;
    }
    settings->auto_background = config->background == MEDROI_BACKGROUND_AUTO;
    if (config->background == MEDROI_BACKGROUND_FILL) {
        settings->region.background = fill_bits(fill, layout);
    } else if (!settings->auto_background) {
        status = medroi_background_bits(config->background, config->background_word, layout,
                                        &settings->region.background, error);
    }
    return status;
}
