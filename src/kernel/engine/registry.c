/* Inner codecs that were registered with this process, beside the kernel's own table. */
#include "engine/config.h"

#include <stdatomic.h>
#include <string.h>

#define MAX_HOSTED 256

static medroi_hosted table[MAX_HOSTED];
static atomic_int n_hosted;
static atomic_flag is_registering = ATOMIC_FLAG_INIT;

/* Ids that FORMAT.md (section 6) gives out. */
static const struct {
    uint16_t id;
    const char *name;
} names[] = {{0, "raw"},       {1, "deflate"},     {2, "zstd"},     {3, "jpeg2000"},
             {4, "wavelet3d"}, {5, "predict3d"},   {16, "heif"},    {17, "numcodecs"},
             {32, "tcm"},      {33, "tcm_auxt"},   {34, "hific"},   {35, "bcmnet"},
             {36, "sirenmri"}, {37, "compressai"}, {38, "neural2d"}};

const medroi_hosted *medroi_find_hosted(uint16_t id) {
    int n = atomic_load(&n_hosted);
    for (int i = 0; i < n; i++) {
        if (table[i].codec.id == id) {
            return &table[i];
        }
    }
    return NULL;
}

const medroi_hosted *medroi_find_hosted_by_name(const medroi_json *name) {
    int n = atomic_load(&n_hosted);
    for (int i = 0; i < n; i++) {
        if (medroi_json_is(name, table[i].codec.name)) {
            return &table[i];
        }
    }
    return NULL;
}

const char *medroi_inner_name(uint16_t id) {
    const medroi_hosted *hosted = medroi_find_hosted(id);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].id == id) {
            return names[i].name;
        }
    }
    return hosted != NULL ? hosted->codec.name : NULL;
}

static medroi_status check_codec(const medroi_codec *codec, medroi_error *error) {
    int n = atomic_load(&n_hosted);
    if (codec->name == NULL || codec->encode == NULL || codec->decode == NULL) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "an inner codec needs a name, encode and decode");
    }
    if (medroi_find_inner(codec->id) != NULL || medroi_find_hosted(codec->id) != NULL) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "inner codec %s: id %u is taken by %s; give another of 64 to 65535",
                           codec->name, (unsigned)codec->id, medroi_inner_name(codec->id));
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, codec->name) == 0 && names[i].id != codec->id) {
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "inner codec %s: the name belongs to id %u", codec->name,
                               (unsigned)names[i].id);
        }
    }
    for (int i = 0; i < n; i++) {
        if (strcmp(table[i].codec.name, codec->name) == 0) {
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "inner codec %s: a codec of this name is registered", codec->name);
        }
    }
    return n < MAX_HOSTED ? MEDROI_OK
                          : medroi_fail(error, MEDROI_NO_MEMORY,
                                        "%d inner codecs are registered: no more fit", n);
}

medroi_status medroi_register_inner(const medroi_codec *codec, void *user, medroi_error *error) {
    medroi_status status;
    while (atomic_flag_test_and_set(&is_registering)) {
    }
    status = check_codec(codec, error);
    if (status == MEDROI_OK) {
        int n = atomic_load(&n_hosted);
        table[n].codec = *codec;
        table[n].user = user;
        atomic_store(&n_hosted, n + 1);
    }
    atomic_flag_clear(&is_registering);
    return status;
}
