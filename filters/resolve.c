/* What settings mean for one element type and number of axes: axes, and the background's bits. */
#include "cd_values.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static medroi_status resolve_axes(medroi_h5_config *config, medroi_layout *layout,
                                  medroi_error *error) {
    unsigned mask = config->axes_mask, axes = 0;
    int32_t ndim = layout->ndim, *slice_axis = &config->settings.slice_axis;
    if (ndim == 1) {
        layout->axes = 1;
        *slice_axis = -1;
        return MEDROI_OK;
    }
    if (*slice_axis > -9) {
        int32_t asked = *slice_axis;
        *slice_axis = asked < 0 ? asked + ndim : asked;
        if (*slice_axis < 0 || *slice_axis >= ndim) {
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "slice_axis=%d of an array of %d axes", (int)asked, (int)ndim);
        }
    }
    if (mask == 0) {
        mask = 7;
        mask &= (1u << ndim) - 1;
        config->axes_from_last = 1;
    }
    for (int32_t i = 0; i < 8; i++) {
        if (mask >> i & 1) {
            int32_t axis = config->axes_from_last ? ndim - 1 - i : i;
            axes |= axis >= 0 && axis < ndim ? 1u << axis : 0x100u;
        }
    }
    if (axes > 255) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "axes: the volume has an axis that a chunk of %d axes has not",
                           (int)ndim);
    }
    layout->axes = (uint8_t)axes;
    return MEDROI_OK;
}

/* The background as the user gave it. */
typedef struct asked_value {
    int is_float;
    double number;
    int is_negative;
    uint64_t magnitude;
} asked_value;

static asked_value read_asked(const medroi_h5_config *config) {
    asked_value asked = {0};
    uint64_t word = config->background_word;
    if (config->background_kind == MEDROI_H5_BACKGROUND_FLOAT) {
        memcpy(&asked.number, &word, sizeof word);
        asked.is_float = 1;
        if (asked.number == floor(asked.number) && fabs(asked.number) < 0x1p63) {
            asked.is_negative = asked.number < 0;
            asked.magnitude = (uint64_t)fabs(asked.number);
        } else {
            asked.magnitude = UINT64_MAX; /* no integer: never in range below */
            asked.is_negative = 1;
        }
    } else {
        asked.is_negative = config->background_kind == MEDROI_H5_BACKGROUND_INT && word >> 63 != 0;
        asked.magnitude = asked.is_negative ? 0 - word : word;
        asked.number = asked.is_negative ? -(double)asked.magnitude : (double)asked.magnitude;
    }
    return asked;
}

static int integer_bits(const asked_value *asked, const medroi_layout *layout, uint64_t *bits) {
    unsigned n_bits = 8u * layout->itemsize;
    uint64_t mask = n_bits == 64 ? UINT64_MAX : ((uint64_t)1 << n_bits) - 1;
    uint64_t most = mask, most_negative = 0;
    if (layout->kind == 'i') {
        most = mask >> 1;
        most_negative = most + 1;
    } else if (layout->kind == 'b') {
        most = 1;
    }
    if (asked->magnitude > (asked->is_negative ? most_negative : most)) {
        return 0;
    }
    *bits = (asked->is_negative ? 0 - asked->magnitude : asked->magnitude) & mask;
    return 1;
}

/* IEEE half of a number that it holds exactly. */
static int half_bits(double number, uint64_t *bits) {
    int exponent;
    uint64_t sign = signbit(number) ? 0x8000 : 0;
    double size = fabs(number), scaled;
    if (isnan(number) || isinf(number) || size == 0) {
        *bits = sign | (isnan(number) ? 0x7e00u : isinf(number) ? 0x7c00u : 0u);
        return 1;
    }
    (void)frexp(size, &exponent);
    exponent = exponent < -13 ? -13 : exponent;
    scaled = ldexp(size, 11 - exponent);
    if (exponent > 16 || scaled != floor(scaled)) {
        return 0;
    }
    *bits = sign | ((uint64_t)(exponent + 13) * 1024 + (uint64_t)scaled);
    return 1;
}

static int float_bits(const asked_value *asked, const medroi_layout *layout, uint64_t *bits) {
    double number = asked->number;
    if (!asked->is_float && (number >= 0x1p64 || (uint64_t)fabs(number) != asked->magnitude)) {
        return 0;
    }
    if (layout->itemsize == 2) {
        return half_bits(number, bits);
    }
    if (layout->itemsize == 4) {
        float single = (float)number;
        uint32_t word;
        memcpy(&word, &single, sizeof word);
        *bits = word;
        return isnan(number) || (double)single == number;
    }
    memcpy(bits, &number, sizeof number);
    return 1;
}

static medroi_status resolve_background(medroi_h5_config *config, const medroi_layout *layout,
                                        medroi_error *error) {
    asked_value asked = read_asked(config);
    uint64_t bits = 0;
    char text[40];
    int fits;
    if (layout->kind == 'f') {
        fits = float_bits(&asked, layout, &bits);
    } else if (layout->kind == 'S' || layout->kind == 'V' || layout->kind == 'c') {
        fits = asked.number == 0;
    } else {
        fits = integer_bits(&asked, layout, &bits);
    }
    if (!fits) {
        if (asked.is_float) {
            (void)snprintf(text, sizeof text, "%.17g", asked.number);
        } else {
            (void)snprintf(text, sizeof text, "%s%" PRIu64, asked.is_negative ? "-" : "",
                           asked.magnitude);
        }
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "background=%s is not a value of the dataset's elements (kind %c of %u "
                           "bytes); give one that is",
                           text, layout->kind, (unsigned)layout->itemsize);
    }
    config->settings.region.background = bits;
    return MEDROI_OK;
}

/* Elements that are not numbers are all kept: what the background is does not matter there. */
static void take_fill(medroi_h5_config *config, const medroi_layout *layout) {
    int is_number = layout->kind == 'i' || layout->kind == 'u' || layout->kind == 'f';
    uint64_t mask = layout->itemsize >= 8 ? UINT64_MAX : ((uint64_t)1 << 8 * layout->itemsize) - 1;
    config->settings.region.background = config->has_fill && is_number ? config->fill & mask : 0;
}

medroi_status medroi_h5_resolve(medroi_h5_config *config, medroi_layout *layout,
                                medroi_error *error) {
    medroi_status status = resolve_axes(config, layout, error);
    if (status != MEDROI_OK || config->settings.auto_background) {
        return status;
    }
    if (config->background_kind == MEDROI_H5_BACKGROUND_FILL) {
        take_fill(config, layout);
        return MEDROI_OK;
    }
    return resolve_background(config, layout, error);
}
