/* The settings of inner codecs, from JSON: {"id": name, setting: value, ...}, a name alone, or
 * {"name": name, "configuration": {setting: value, ...}} as Zarr spells it. */
#include "engine/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Limits of a setting. */
typedef enum setting_kind { NUMBER, INTEGER, SWITCH, CHOICE, TARGET, TRIPLE } setting_kind;

/* A setting of a codec of the kernel. A TARGET is one of several of which at most one is given: its
 * `mode` goes to the first parameter, and the value to `index`. */
typedef struct setting {
    const char *name;
    setting_kind kind;
    int index;
    double mode;
    double low;
    double high;
    const char *choices[3];
} setting;

typedef struct settings_of {
    uint16_t id;
    const char *name;
    double defaults[MEDROI_MAX_PARAMS];
    int needs_target;
    setting settings[6];
} settings_of;

static const settings_of known[] = {
    {.id = 0, .name = "raw"},
    {.id = 1,
     .name = "deflate",
     .defaults = {6, 1},
     .settings = {{"level", INTEGER, 0, 0, 0, 9, {0}}, {"shuffle", SWITCH, 1, 0, 0, 1, {0}}}},
    {.id = 2,
     .name = "zstd",
     .defaults = {3, 1},
     .settings = {{"level", INTEGER, 0, 0, -131072, 22, {0}},
                  {"shuffle", SWITCH, 1, 0, 0, 1, {0}}}},
    {.id = 3,
     .name = "jpeg2000",
     .settings = {{"rate", TARGET, 1, 1, 1, 100000, {0}},
                  {"psnr", TARGET, 1, 2, 1, 150, {0}},
                  {"peak", NUMBER, 2, 0, 1e-300, 1e300, {0}}}},
    {.id = 4,
     .name = "wavelet3d",
     .needs_target = 1,
     .settings = {{"psnr", TARGET, 1, 1, 0, 1e300, {0}},
                  {"rate", TARGET, 1, 2, 0, 1e300, {0}},
                  {"max_error", TARGET, 1, 3, 0, 1e300, {0}},
                  {"step", TARGET, 1, 4, 0, 1e300, {0}},
                  {"spacing_mm", TRIPLE, 2, 0, 0, 1e300, {0}}}},
    {.id = 5,
     .name = "predict3d",
     .settings = {{"speed", CHOICE, 0, 0, 0, 1, {"dense", "fast", NULL}}}},
};

static medroi_status wrong(const settings_of *codec, const char *name, const medroi_json *value,
                           const char *expected, medroi_error *error) {
    int n = (int)(value->stop - value->start);
    return medroi_fail(error, MEDROI_INVALID_ARGUMENT, "%s: %s=%.*s, expected %s", codec->name,
                       name, n > 60 ? 60 : n, value->start, expected);
}

static int in_range(const medroi_json *value, const setting *s, double *number) {
    medroi_number found;
    medroi_json_kind kind = medroi_json_kind_of(value);
    int fits = kind == MEDROI_JSON_NUMBER && medroi_json_number(value, &found) &&
               found.value >= s->low && found.value <= s->high &&
               (s->kind != INTEGER || found.is_integer);
    *number = fits ? found.value : 0;
    return fits;
}

static medroi_status read_triple(const settings_of *codec, const setting *s,
                                 const medroi_json *value, double *params, medroi_error *error) {
    const char *at = NULL;
    medroi_json key, item;
    int n = 0;
    if (medroi_json_kind_of(value) == MEDROI_JSON_ARRAY) {
        for (; n <= 3 && medroi_json_next(value, &at, &key, &item); n++) {
            if (n == 3 || !in_range(&item, s, &params[s->index + n])) {
                n = 4;
            }
        }
    } else {
        n = 4;
    }
    return n == 0 || n == 3 ? MEDROI_OK
                            : wrong(codec, s->name, value, "three numbers from 0", error);
}

static medroi_status read_setting(const settings_of *codec, const setting *s,
                                  const medroi_json *value, double *params, int *n_targets,
                                  medroi_error *error) {
    char text[64];
    medroi_json_kind kind = medroi_json_kind_of(value);
    if (s->kind == TRIPLE) {
        return read_triple(codec, s, value, params, error);
    }
    if (s->kind == CHOICE) {
        for (int i = 0; s->choices[i] != NULL; i++) {
            if (medroi_json_is(value, s->choices[i])) {
                params[s->index] = i;
                return MEDROI_OK;
            }
        }
        return wrong(codec, s->name, value, "one of dense, fast", error);
    }
    if (s->kind == SWITCH) {
        params[s->index] = kind == MEDROI_JSON_TRUE;
        return kind == MEDROI_JSON_TRUE || kind == MEDROI_JSON_FALSE
                   ? MEDROI_OK
                   : wrong(codec, s->name, value, "true or false", error);
    }
    if (kind == MEDROI_JSON_NULL && (s->kind == TARGET || codec->id == 3)) {
        return MEDROI_OK;
    }
    if (!in_range(value, s, &params[s->index])) {
        medroi_text limits = {0};
        medroi_text_number(&limits, s->low);
        medroi_text_put(&limits, " to ");
        medroi_text_number(&limits, s->high);
        strncpy(text, limits.failed ? "another number" : limits.start, sizeof text - 1);
        text[sizeof text - 1] = '\0';
        free(limits.start);
        return wrong(codec, s->name, value, text, error);
    }
    if (s->kind == TARGET) {
        params[0] = s->mode;
        ++*n_targets;
    }
    return MEDROI_OK;
}

static const setting *find_setting(const settings_of *codec, const medroi_json *key) {
    for (size_t i = 0; i < 6 && codec->settings[i].name != NULL; i++) {
        if (medroi_json_is(key, codec->settings[i].name)) {
            return &codec->settings[i];
        }
    }
    return NULL;
}

static medroi_status check_targets(const settings_of *codec, const double *params, int n_targets,
                                   medroi_error *error) {
    if (codec->needs_target && n_targets != 1) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "%s: exactly one of psnr, rate, max_error, step is needed, found %d; "
                           "for example psnr=50",
                           codec->name, n_targets);
    }
    if (n_targets > 1) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "%s: give rate or psnr, not both; neither is lossless", codec->name);
    }
    if (codec->id == 3 && params[2] != 0 && params[0] != 2) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT, "%s: peak belongs to psnr; give both",
                           codec->name);
    }
    return MEDROI_OK;
}

/* Settings of a codec of the kernel, from the members of an object but its name. */
static medroi_status read_native(const settings_of *codec, const medroi_json *object,
                                 double *params, medroi_error *error) {
    const char *at = NULL;
    medroi_json key, value;
    int n_targets = 0;
    medroi_status status = MEDROI_OK;
    memcpy(params, codec->defaults, sizeof codec->defaults);
    while (status == MEDROI_OK && object != NULL && medroi_json_next(object, &at, &key, &value)) {
        const setting *s = find_setting(codec, &key);
        if (medroi_json_is(&key, "id")) {
            continue;
        }
        if (s == NULL) {
            int n = (int)(key.stop - key.start) - 2;
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT, "%s has no setting %.*s",
                               codec->name, n > 40 ? 40 : n, key.start + 1);
        }
        status = read_setting(codec, s, &value, params, &n_targets, error);
    }
    if (status == MEDROI_OK) {
        status = check_targets(codec, params, n_targets, error);
    }
    if (codec->id == 4) {
        params[5] = params[1]; /* the step, until a plan finds it */
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
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const medroi_inner *native = medroi_find_inner(known[i].id);
        if (medroi_json_is(&name, known[i].name) && native != NULL) {
            config->coder.id = known[i].id;
            config->coder.native = native;
            return read_native(&known[i], has_object ? &object : NULL, config->coder.params, error);
        }
    }
    return read_hosted(&name, config, error);
}
