/* The options of a configuration, read from JSON. */
#include "engine/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const float medroi_identity[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};

/* The index of a value among an option's choices, or -1. */
static int choice_of(const char *name, const medroi_json *value) {
    const char *const *choices = medroi_find_option(name)->choices;
    for (int i = 0; choices[i] != NULL; i++) {
        if (medroi_json_is(value, choices[i])) {
            return i;
        }
    }
    return -1;
}

static medroi_status refuse(const char *name, const medroi_json *value, medroi_error *error) {
    int n = (int)(value->stop - value->start);
    return medroi_fail(error, MEDROI_INVALID_ARGUMENT, "%s=%.*s: expected %s", name,
                       n > 60 ? 60 : n, value->start, medroi_find_option(name)->limits);
}

static int is_null(const medroi_json *value) {
    return medroi_json_kind_of(value) == MEDROI_JSON_NULL;
}

/* Numbers alone: true is not 1 here. */
static int read_number(const medroi_json *value, medroi_number *number) {
    medroi_json_kind kind = medroi_json_kind_of(value);
    return kind != MEDROI_JSON_TRUE && kind != MEDROI_JSON_FALSE &&
           medroi_json_number(value, number);
}

static int read_integer(const medroi_json *value, int64_t low, int64_t high, int64_t *integer) {
    medroi_number number;
    if (!read_number(value, &number) || !number.is_integer || number.magnitude > INT64_MAX) {
        return 0;
    }
    *integer = number.is_negative ? -(int64_t)number.magnitude : (int64_t)number.magnitude;
    return *integer >= low && *integer <= high;
}

static int read_threshold(const medroi_json *value, medroi_config *config) {
    medroi_number number;
    int rule = choice_of("threshold", value);
    if (is_null(value)) {
        rule = MEDROI_THRESHOLD_NONE;
    } else if (rule >= 0) {
        rule += MEDROI_THRESHOLD_MEAN;
    } else {
        if (!read_number(value, &number) || isnan(number.value)) {
            return 0;
        }
        rule = MEDROI_THRESHOLD_NUMBER;
        config->region.threshold = number.value;
    }
    config->region.threshold_rule = (medroi_threshold)rule;
    return 1;
}

static int read_background(const medroi_json *value, medroi_config *config) {
    medroi_number number;
    config->background_word = 0;
    if (is_null(value)) {
        config->background = MEDROI_BACKGROUND_FILL;
        return 1;
    }
    if (medroi_json_is(value, "auto")) {
        config->background = MEDROI_BACKGROUND_AUTO;
        return 1;
    }
    if (!medroi_json_number(value, &number)) {
        return 0;
    }
    if (number.is_integer && number.is_negative && number.magnitude <= (uint64_t)INT64_MAX + 1) {
        config->background = MEDROI_BACKGROUND_INT;
        config->background_word = 0 - number.magnitude;
    } else if (number.is_integer && !number.is_negative) {
        config->background =
            number.magnitude > INT64_MAX ? MEDROI_BACKGROUND_UINT : MEDROI_BACKGROUND_INT;
        config->background_word = number.magnitude;
    } else if (number.is_rounded) {
        return 0; /* no element holds it */
    } else {
        config->background = MEDROI_BACKGROUND_FLOAT;
        memcpy(&config->background_word, &number.value, sizeof number.value);
    }
    return 1;
}

static int read_axes(const medroi_json *value, medroi_config *config) {
    const char *at = NULL;
    medroi_json key, item;
    config->n_axes = 0;
    if (is_null(value)) {
        return 1;
    }
    if (medroi_json_kind_of(value) != MEDROI_JSON_ARRAY) {
        return 0;
    }
    while (medroi_json_next(value, &at, &key, &item)) {
        int64_t axis;
        if (config->n_axes == 3 || !read_integer(&item, -MEDROI_MAX_AXES, 7, &axis)) {
            return 0;
        }
        for (int32_t i = 0; i < config->n_axes; i++) {
            if (config->axes[i] == axis) {
                return 0;
            }
        }
        config->axes[config->n_axes++] = (int32_t)axis;
    }
    return config->n_axes > 0;
}

/* Rows of numbers; the upper-left 3 x 3 of them, as float32. */
static int read_affine(const medroi_json *value, medroi_config *config) {
    const char *at = NULL;
    medroi_json key, row, item;
    int n_rows = 0, n_columns = 0;
    memcpy(config->affine, medroi_identity, sizeof medroi_identity);
    config->has_affine = 0;
    if (is_null(value)) {
        return 1;
    }
    if (medroi_json_kind_of(value) != MEDROI_JSON_ARRAY) {
        return 0;
    }
    for (; medroi_json_next(value, &at, &key, &row); n_rows++) {
        const char *within = NULL;
        int n = 0;
        if (medroi_json_kind_of(&row) != MEDROI_JSON_ARRAY) {
            return 0;
        }
        for (; medroi_json_next(&row, &within, &key, &item); n++) {
            medroi_number number;
            if (!read_number(&item, &number)) {
                return 0;
            }
            if (n_rows < 3 && n < 3) {
                config->affine[3 * n_rows + n] = (float)number.value;
            }
        }
        if (n_rows > 0 && n != n_columns) {
            return 0;
        }
        n_columns = n;
    }
    config->has_affine = memcmp(config->affine, medroi_identity, sizeof medroi_identity) != 0;
    return n_rows == n_columns && (n_rows == 3 || n_rows == 4);
}

/* 1: read; 0: not possible; -1: no such option. */
static int read_option(const char *name, const medroi_json *value, medroi_config *config) {
    medroi_number number;
    int64_t integer = 0;
    int choice, fits;
    if (strcmp(name, "threshold") == 0) {
        return read_threshold(value, config);
    }
    if (strcmp(name, "polarity") == 0) {
        choice = choice_of("polarity", value);
        config->region.dark = choice == 1;
        return choice >= 0;
    }
    if (strcmp(name, "roi") == 0) {
        choice = medroi_json_is(value, "hull") ? MEDROI_ROI_MASK : choice_of("roi", value);
        config->region.roi = choice == MEDROI_ROI_BOX ? MEDROI_ROI_BOX : MEDROI_ROI_MASK;
        return choice >= 0;
    }
    if (strcmp(name, "background") == 0) {
        return read_background(value, config);
    }
    if (strcmp(name, "padding") == 0) {
        return read_integer(value, 0, INT32_MAX, &config->region.padding);
    }
    if (strcmp(name, "max_miss_rate") == 0) {
        fits = read_number(value, &number) && number.value >= 0 && number.value <= 1;
        config->region.max_miss_rate = fits ? number.value : 0;
        return fits;
    }
    if (strcmp(name, "axes") == 0) {
        return read_axes(value, config);
    }
    if (strcmp(name, "components") == 0) {
        choice = choice_of("components", value);
        config->region.largest_only = choice == 1;
        return choice >= 0;
    }
    if (strcmp(name, "slice_axis") == 0) {
        config->has_slice_axis = !is_null(value);
        fits = is_null(value) || read_integer(value, -MEDROI_MAX_AXES, 7, &integer);
        config->slice_axis = config->has_slice_axis && fits ? (int32_t)integer : 0;
        return fits;
    }
    if (strcmp(name, "affine") == 0) {
        return read_affine(value, config);
    }
    if (strcmp(name, "verify") == 0) {
        medroi_json_kind kind = medroi_json_kind_of(value);
        config->verify = kind == MEDROI_JSON_TRUE;
        return kind == MEDROI_JSON_TRUE || kind == MEDROI_JSON_FALSE;
    }
    return -1;
}

void medroi_config_init(medroi_config *config) {
    size_t n = 0;
    const medroi_option *options = medroi_options(&n);
    memset(config, 0, sizeof *config);
    config->region.n_threads = 1;
    for (size_t i = 0; i < n; i++) {
        const char *start = options[i].fallback;
        medroi_json value = {start, start + strlen(start)};
        (void)read_option(options[i].name, &value, config);
    }
}

medroi_status medroi_config_read(const medroi_json *object, medroi_config *config,
                                 medroi_json *inner, medroi_error *error) {
    const char *at = NULL;
    medroi_json key, value;
    if (medroi_json_kind_of(object) != MEDROI_JSON_OBJECT) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "a configuration is a JSON object, such as {\"roi\": \"mask\"}");
    }
    while (medroi_json_next(object, &at, &key, &value)) {
        int n = (int)(key.stop - key.start) - 2, found = 1;
        char name[32] = "";
        (void)memcpy(name, key.start + 1, (size_t)(n < 31 ? n : 31));
        if (medroi_json_is(&key, "inner")) {
            *inner = value;
        } else if (!medroi_json_is(&key, "id")) {
            found = read_option(name, &value, config);
        }
        if (found < 0) {
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "there is no option %s in this version (%s): leave it out, or "
                               "upgrade medroi",
                               name, MEDROI_VERSION);
        }
        if (found == 0) {
            return refuse(name, &value, error);
        }
    }
    return MEDROI_OK;
}

medroi_status medroi_config_from_json(const char *text, medroi_config **config,
                                      medroi_error *error) {
    medroi_json object, inner = {medroi_find_option("inner")->fallback, NULL};
    medroi_status status = medroi_json_read(text == NULL ? "{}" : text, &object, error);
    inner.stop = inner.start + strlen(inner.start);
    *config = NULL;
    if (status != MEDROI_OK) {
        return status;
    }
    medroi_config *made = malloc(sizeof *made);
    if (made == NULL) {
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a configuration");
    }
    medroi_config_init(made);
    status = medroi_config_read(&object, made, &inner, error);
    if (status == MEDROI_OK) {
        status = medroi_read_inner(&inner, made, error);
    }
    if (status != MEDROI_OK) {
        medroi_config_free(made);
        return status;
    }
    *config = made;
    return MEDROI_OK;
}

medroi_status medroi_config_set_padding_values(medroi_config *config, double low, double high,
                                               medroi_error *error) {
    if (!(low <= high)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "padding values from %.10g to %.10g; expected two numbers, the lower "
                           "one first",
                           low, high);
    }
    config->region.declares_padding = 1;
    config->region.padding_low = low;
    config->region.padding_high = high;
    return MEDROI_OK;
}

void medroi_config_free(medroi_config *config) {
    if (config != NULL) {
        const medroi_hosted *hosted = config->coder.hosted;
        if (hosted != NULL && hosted->codec.release != NULL && config->coder.settings != NULL) {
            hosted->codec.release(hosted->user, config->coder.settings);
        }
        free(config->inner);
        free(config);
    }
}
