/* Rules that hold for the settings of every native codec. */
#include "codecs/parameters.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int is_name(const char *known, const char *name, size_t nbytes) {
    return known != NULL && strlen(known) == nbytes && memcmp(known, name, nbytes) == 0;
}

const medroi_parameter *medroi_find_parameter(const medroi_parameters *codec, const char *name,
                                              size_t nbytes) {
    for (size_t i = 0; i < codec->n; i++) {
        const medroi_parameter *row = &codec->rows[i];
        if (is_name(row->name, name, nbytes) || is_name(row->earlier_name, name, nbytes)) {
            return row;
        }
    }
    return NULL;
}

const medroi_parameter *medroi_find_target(const medroi_parameters *codec, double mode) {
    for (size_t i = 0; i < codec->n; i++) {
        if (codec->rows[i].kind == MEDROI_TARGET && codec->rows[i].mode == mode) {
            return &codec->rows[i];
        }
    }
    return NULL;
}

void medroi_default_params(const medroi_parameters *codec, double params[MEDROI_MAX_PARAMS]) {
    memset(params, 0, MEDROI_MAX_PARAMS * sizeof *params);
    for (size_t i = 0; i < codec->n; i++) {
        const medroi_parameter *row = &codec->rows[i];
        if (row->kind != MEDROI_TARGET && row->kind != MEDROI_SPACING) {
            params[row->index] = row->fallback;
        }
    }
}

int medroi_parameter_takes(const medroi_parameter *parameter, double number) {
    int is_whole = parameter->kind == MEDROI_INTEGER || parameter->kind == MEDROI_FLAG ||
                   parameter->kind == MEDROI_CHOICE;
    return number >= parameter->low && number <= parameter->high &&
           (!is_whole || number == floor(number));
}

void medroi_parameter_limits(const medroi_parameter *parameter, char text[64]) {
    const char *several = parameter->kind == MEDROI_SPACING ? "three numbers" : "a number";
    size_t nbytes = 0;
    if (parameter->kind == MEDROI_FLAG) {
        (void)snprintf(text, 64, "true or false");
    } else if (parameter->kind == MEDROI_CHOICE) {
        nbytes = (size_t)snprintf(text, 64, "one of %s", parameter->choices[0]);
        for (int i = 1; parameter->choices[i] != NULL && nbytes < 64; i++) {
            nbytes += (size_t)snprintf(text + nbytes, 64 - nbytes, ", %s", parameter->choices[i]);
        }
    } else if (parameter->high < MEDROI_NO_LIMIT) {
        (void)snprintf(text, 64, "%g to %g", parameter->low, parameter->high);
    } else if (parameter->low == MEDROI_ABOVE_ZERO) {
        (void)snprintf(text, 64, "%s above 0", several);
    } else {
        (void)snprintf(text, 64, "%s from %g", several, parameter->low);
    }
}

static medroi_status check_number(const medroi_parameters *codec, const medroi_parameter *row,
                                  double number, medroi_error *error) {
    char limits[64];
    if (medroi_parameter_takes(row, number) ||
        (row->kind != MEDROI_TARGET && number == row->fallback)) {
        return MEDROI_OK;
    }
    medroi_parameter_limits(row, limits);
    return medroi_fail(error, MEDROI_INVALID_ARGUMENT, "%s: %s %g, expected %s", codec->name,
                       row->name, number, limits);
}

medroi_status medroi_check_params(const medroi_parameters *codec, const double *params,
                                  medroi_error *error) {
    int has_targets = 0, has_target = !codec->needs_target && params[0] == 0;
    medroi_status status = MEDROI_OK;
    for (size_t i = 0; i < codec->n && status == MEDROI_OK; i++) {
        const medroi_parameter *row = &codec->rows[i];
        int is_target = row->kind == MEDROI_TARGET, is_asked = params[0] == row->mode;
        has_targets |= is_target;
        has_target |= is_target && is_asked;
        for (int k = 0; k < (row->kind == MEDROI_SPACING ? 3 : 1) && status == MEDROI_OK; k++) {
            if (!is_target || is_asked) {
                status = check_number(codec, row, params[row->index + k], error);
            }
        }
    }
    if (status == MEDROI_OK && has_targets && !has_target) {
        status = medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                             "%s: params[0] is %g, which is the number of no target", codec->name,
                             params[0]);
    }
    return status;
}
