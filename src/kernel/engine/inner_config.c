/* The settings of inner codecs, from JSON: {"id": name, setting: value, ...}, a name alone, or
 * {"name": name, "configuration": {setting: value, ...}} as Zarr spells it. */
#include "codecs/inner.h"
#include "engine/config.h"

#include <stdlib.h>
#include <string.h>

static medroi_status wrong(const medroi_parameters *codec, const medroi_parameter *row,
                           const medroi_json *value, medroi_error *error) {
    int n = (int)(value->stop - value->start);
    char limits[64];
    medroi_parameter_limits(row, limits);
    return medroi_fail(error, MEDROI_INVALID_ARGUMENT, "%s: %s=%.*s, expected %s", codec->name,
                       row->name, n > 60 ? 60 : n, value->start, limits);
}

static int read_number(const medroi_parameter *row, const medroi_json *value, double *number) {
    medroi_number found;
    int fits = medroi_json_kind_of(value) == MEDROI_JSON_NUMBER &&
               medroi_json_number(value, &found) && medroi_parameter_takes(row, found.value);
    *number = fits ? found.value : 0;
    return fits;
}

static int read_choice(const medroi_parameter *row, const medroi_json *value, double *number) {
    for (int i = 0; row->choices[i] != NULL; i++) {
        if (medroi_json_is(value, row->choices[i])) {
            *number = row->low + i;
            return 1;
        }
    }
    return 0;
}

/* Three numbers, or none. */
static int read_spacing(const medroi_parameter *row, const medroi_json *value, double *numbers) {
    const char *at = NULL;
    medroi_json key, item;
    int n = 0;
    if (medroi_json_kind_of(value) != MEDROI_JSON_ARRAY) {
        return 0;
    }
    for (; medroi_json_next(value, &at, &key, &item); n++) {
        if (n == 3 || !read_number(row, &item, &numbers[n])) {
            return 0;
        }
    }
    return n == 0 || n == 3;
}

static int read_setting(const medroi_parameter *row, const medroi_json *value, double *number) {
    medroi_json_kind kind = medroi_json_kind_of(value);
    switch (row->kind) {
    case MEDROI_FLAG:
        *number = kind == MEDROI_JSON_TRUE;
        return kind == MEDROI_JSON_TRUE || kind == MEDROI_JSON_FALSE;
    case MEDROI_CHOICE:
        return read_choice(row, value, number);
    case MEDROI_SPACING:
        return read_spacing(row, value, number);
    default:
        return read_number(row, value, number);
    }
}

/* The settings that an object gives, one bit for each row of the codec's table. */
static medroi_status read_settings(const medroi_parameters *codec, const medroi_json *object,
                                   double *params, unsigned *given, medroi_error *error) {
    const char *at = NULL;
    medroi_json key, value;
    while (object != NULL && medroi_json_next(object, &at, &key, &value)) {
        size_t n = (size_t)(key.stop - key.start) - 2;
        const medroi_parameter *row = medroi_find_parameter(codec, key.start + 1, n);
        if (medroi_json_is(&key, "id")) {
            continue;
        }
        if (row == NULL) {
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT, "%s has no setting %.*s",
                               codec->name, n > 40 ? 40 : (int)n, key.start + 1);
        }
        /* null, where nothing is the default. */
        if (medroi_json_kind_of(&value) == MEDROI_JSON_NULL &&
            (row->kind == MEDROI_TARGET || row->belongs_to != NULL)) {
            continue;
        }
        if (row->earlier_name != NULL && (*given >> (row - codec->rows) & 1)) {
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "%s: %s, of which %s is an earlier name, is given twice",
                               codec->name, row->name, row->earlier_name);
        }
        if (!read_setting(row, &value, &params[row->index])) {
            return wrong(codec, row, &value, error);
        }
        *given |= 1u << (row - codec->rows);
        if (row->kind == MEDROI_TARGET) {
            params[0] = row->mode;
        }
    }
    return MEDROI_OK;
}

static void put_name(medroi_text *names, const char *name) {
    medroi_text_put(names, names->nbytes > 0 ? ", " : "");
    medroi_text_put(names, name);
}

/* Names of a codec's targets: of all, or of those that are given. */
static medroi_text target_names(const medroi_parameters *codec, unsigned among) {
    medroi_text names = {0};
    for (size_t i = 0; i < codec->n; i++) {
        if (codec->rows[i].kind == MEDROI_TARGET && (among >> i & 1)) {
            put_name(&names, codec->rows[i].name);
        }
    }
    return names;
}

static medroi_status refuse_targets(const medroi_parameters *codec, unsigned given, int n_found,
                                    medroi_error *error) {
    medroi_text possible = target_names(codec, ~0u), found = target_names(codec, given);
    const char *names = possible.failed ? "its targets" : possible.start;
    medroi_status status =
        codec->needs_target
            ? medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                          "%s: exactly one of %s is needed, found %s; for example psnr=50",
                          codec->name, names, n_found == 0 || found.failed ? "none" : found.start)
            : medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                          "%s: give one of %s, not both; without one it is lossless", codec->name,
                          names);
    free(possible.start);
    free(found.start);
    return status;
}

/* Refuse two targets, none where one is needed, and what belongs to one that is not given. */
static medroi_status check_targets(const medroi_parameters *codec, unsigned given,
                                   medroi_error *error) {
    medroi_status status = MEDROI_OK;
    int n_found = 0;
    for (size_t i = 0; i < codec->n; i++) {
        const medroi_parameter *row = &codec->rows[i];
        int is_given = (int)(given >> i & 1);
        n_found += row->kind == MEDROI_TARGET && is_given;
        if (is_given && row->belongs_to != NULL && n_found < 2) {
            const medroi_parameter *other =
                medroi_find_parameter(codec, row->belongs_to, strlen(row->belongs_to));
            if (!(given >> (other - codec->rows) & 1)) {
                status =
                    medroi_fail(error, MEDROI_INVALID_ARGUMENT, "%s: %s belongs to %s; give both",
                                codec->name, row->name, row->belongs_to);
            }
        }
    }
    if (n_found > 1 || (codec->needs_target && n_found == 0)) {
        return refuse_targets(codec, given, n_found, error);
    }
    return status;
}

medroi_status medroi_read_params(const medroi_parameters *codec, const medroi_json *object,
                                 double params[MEDROI_MAX_PARAMS], medroi_error *error) {
    unsigned given = 0;
    medroi_default_params(codec, params);
    medroi_status status = read_settings(codec, object, params, &given, error);
    if (status == MEDROI_OK) {
        status = check_targets(codec, given, error);
    }
    if (codec->planned > 0) {
        params[codec->planned] = params[1];
    }
    return status;
}

/* The name of a codec, and the object that holds its settings (or NULL). */
static medroi_status split(const medroi_json *inner, medroi_json *name, medroi_json *object,
                           int *has_object, medroi_error *error) {
    const char *at = NULL;
    medroi_json key, value;
    int n = (int)(inner->stop - inner->start);
    name->start = NULL;
    *has_object = 0;
    if (medroi_json_kind_of(inner) == MEDROI_JSON_STRING) {
        *name = *inner;
        return MEDROI_OK;
    }
    if (medroi_json_kind_of(inner) == MEDROI_JSON_OBJECT) {
        *object = *inner;
        *has_object = 1;
        while (medroi_json_next(inner, &at, &key, &value)) {
            if (medroi_json_is(&key, "id") || medroi_json_is(&key, "name")) {
                *name = value;
            }
            if (medroi_json_is(&key, "name")) {
                *has_object = 0;
            }
        }
        at = NULL;
        while (!*has_object && medroi_json_next(inner, &at, &key, &value)) {
            if (medroi_json_is(&key, "configuration")) {
                *object = value;
                *has_object = medroi_json_kind_of(&value) == MEDROI_JSON_OBJECT;
                break;
            }
        }
    }
    if (name->start == NULL || medroi_json_kind_of(name) != MEDROI_JSON_STRING) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "inner=%.*s: expected a name, or an object {\"id\": name, ...}",
                           n > 60 ? 60 : n, inner->start);
    }
    return MEDROI_OK;
}

static char *copy_of(const medroi_json *value) {
    size_t nbytes = (size_t)(value->stop - value->start);
    char *copy = malloc(nbytes + 1);
    if (copy != NULL) {
        memcpy(copy, value->start, nbytes);
        copy[nbytes] = '\0';
    }
    return copy;
}

static medroi_status read_hosted(const medroi_json *name, medroi_config *config,
                                 medroi_error *error) {
    const medroi_hosted *hosted = medroi_find_hosted_by_name(name);
    int n = (int)(name->stop - name->start) - 2;
    if (hosted == NULL) {
        return medroi_fail(error, MEDROI_INNER_UNAVAILABLE,
                           "there is no inner codec %.*s in this build, and none was registered",
                           n > 60 ? 60 : n, name->start + 1);
    }
    config->coder.id = hosted->codec.id;
    config->coder.hosted = hosted;
    return hosted->codec.configure == NULL
               ? MEDROI_OK
               : hosted->codec.configure(hosted->user, config->inner, &config->coder.settings,
                                         error);
}

medroi_status medroi_read_inner(const medroi_json *inner, medroi_config *config,
                                medroi_error *error) {
    medroi_json name, object;
    int has_object;
    medroi_status status = split(inner, &name, &object, &has_object, error);
    if (status != MEDROI_OK) {
        return status;
    }
    config->inner = copy_of(inner);
    if (config->inner == NULL) {
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a configuration");
    }
    size_t n;
    const medroi_parameters *const *tables = medroi_all_parameters(&n);
    for (size_t i = 0; i < n; i++) {
        const medroi_inner *native = medroi_find_inner(tables[i]->id);
        if (medroi_json_is(&name, tables[i]->name) && native != NULL) {
            config->coder.id = tables[i]->id;
            config->coder.native = native;
            return medroi_read_params(tables[i], has_object ? &object : NULL, config->coder.params,
                                      error);
        }
    }
    return read_hosted(&name, config, error);
}

medroi_status medroi_set_target(medroi_config *config, const medroi_parameter *target,
                                double number, medroi_error *error) {
    medroi_json inner, name, object, key, value;
    medroi_text text = {0};
    const char *at = NULL;
    int has_object;
    medroi_status status = medroi_json_read(config->inner, &inner, error);
    if (status == MEDROI_OK) {
        status = split(&inner, &name, &object, &has_object, error);
    }
    if (status != MEDROI_OK) {
        return status;
    }
    const medroi_parameters *codec = medroi_find_parameters(config->coder.id);
    medroi_text_put(&text, "{\"id\": ");
    medroi_text_add(&text, name.start, (size_t)(name.stop - name.start));
    while (has_object && medroi_json_next(&object, &at, &key, &value)) {
        const medroi_parameter *row =
            medroi_find_parameter(codec, key.start + 1, (size_t)(key.stop - key.start) - 2);
        if (!medroi_json_is(&key, "id") && row != NULL && row->kind != MEDROI_TARGET) {
            medroi_text_put(&text, ", ");
            medroi_text_add(&text, key.start, (size_t)(value.stop - key.start));
        }
    }
    medroi_text_put(&text, ", \"");
    medroi_text_put(&text, target->name);
    medroi_text_put(&text, "\": ");
    medroi_text_number(&text, number);
    medroi_text_put(&text, "}");
    if (text.failed) {
        free(text.start);
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a configuration");
    }
    free(config->inner);
    config->inner = text.start;
    config->coder.params[0] = target->mode;
    config->coder.params[target->index] = number;
    config->coder.params[codec->planned] = number;
    return MEDROI_OK;
}
