/* The public interface alone: configurations as text, arrays through it, and broken streams. */
#include "streams.h"

#include <stdlib.h>
#include <string.h>

#define MAX_VOXELS 3000

static const char *const inners[] = {
    "\"raw\"",
    "{\"id\": \"predict3d\", \"level\": \"fast\"}",
    "{\"name\": \"predict3d\", \"configuration\": {}}",
    "\"predict3d\"",
};

static const char *const options[] = {
    "\"threshold\": null",
    "\"threshold\": \"mean\"",
    "\"threshold\": 300.5",
    "\"threshold\": \"NaN\"",
    "\"roi\": \"mask\"",
    "\"roi\": \"hull\"",
    "\"background\": \"auto\"",
    "\"background\": 18446744073709551615",
    "\"background\": -1e300",
    "\"background\": \"NaN\"",
    "\"background\": true",
    "\"padding\": 3.0",
    "\"padding\": true",
    "\"padding\": 1e99",
    "\"axes\": [0, -1]",
    "\"axes\": [7, 7, 7, 7]",
    "\"slice_axis\": -1",
    "\"slice_axis\": 9",
    "\"verify\": true",
    "\"max_miss_rate\": 0.5",
    "\"affine\": [[2, 0, 0], [0, 2, 0], [0, 0, 1e-9]]",
    "\"components\": \"largest\"",
    "\"polarity\": \"dark\"",
    "\"nothing\": [[[[{}]]]]",
    "\"id\": \"medroi\"",
};

/* A configuration of some options, of which some cannot be, and perhaps with a byte gone wrong. */
static char *random_text(fuzz_random *random) {
    char *text = fuzz_allocate(4096);
    (void)strcpy(text, "{\"inner\": ");
    (void)strcat(text, inners[fuzz_below(random, sizeof inners / sizeof *inners)]);
    for (uint64_t n = fuzz_below(random, 5); n > 0; n--) {
        (void)strcat(text, ", ");
        (void)strcat(text, options[fuzz_below(random, sizeof options / sizeof *options)]);
    }
    (void)strcat(text, "}");
    if (fuzz_below(random, 4) == 0) {
        text[fuzz_below(random, strlen(text))] = (char)fuzz_below(random, 256);
    }
    if (fuzz_below(random, 8) == 0) {
        text[fuzz_below(random, strlen(text) + 1)] = '\0';
    }
    return text;
}

/* What a configuration says comes back from its own text. */
static medroi_config *random_config(fuzz_random *random) {
    medroi_error error = {MEDROI_OK, ""};
    medroi_config *config = NULL, *again = NULL;
    char *text = random_text(random), *written = NULL, *rewritten = NULL;
    size_t nbytes = strlen(text) + 1;
    char *exact = fuzz_allocate(nbytes);
    memcpy(exact, text, nbytes);
    if (medroi_config_from_json(exact, &config, &error) != MEDROI_OK) {
        fuzz_expect(config == NULL && error.text[0] != '\0', "a refusal says why");
    } else {
        fuzz_expect(medroi_config_to_json(config, &written, NULL) == MEDROI_OK, "it has a text");
        fuzz_expect(medroi_config_from_json(written, &again, NULL) == MEDROI_OK,
                    "it is read again");
        fuzz_expect(medroi_config_to_json(again, &rewritten, NULL) == MEDROI_OK, "it has a text");
        fuzz_expect(strcmp(written, rewritten) == 0, "the text is the same");
        medroi_config_free(again);
    }
    medroi_free(written);
    medroi_free(rewritten);
    free(exact);
    free(text);
    return config;
}

static void check_fit(fuzz_random *random, const medroi_config *config, const medroi_layout *layout,
                      const uint8_t *data) {
    medroi_config *fitted = NULL;
    int64_t chunks[MEDROI_MAX_AXES];
    const char *note = NULL;
    char *text = NULL;
    for (int32_t i = 0; i < layout->ndim; i++) {
        chunks[i] = 1 + (int64_t)fuzz_below(random, (uint64_t)layout->shape[i] + 1);
    }
    if (medroi_fit(NULL, config, layout, data, chunks, &fitted, &note, NULL) == MEDROI_OK) {
        fuzz_expect(note != NULL, "a note is a text");
        fuzz_expect(medroi_config_to_json(fitted, &text, NULL) == MEDROI_OK, "it has a text");
        medroi_free(text);
        medroi_config_free(fitted);
    }
}

static void run(fuzz_random *random) {
    medroi_context *context = NULL;
    medroi_config *config = random_config(random);
    medroi_layout layout = fuzz_layout(random, MAX_VOXELS);
    size_t nbytes = medroi_array_nbytes(&layout);
    medroi_output coded;
    memset(&coded, 0, sizeof coded);
    if (config == NULL) {
        return;
    }
    uint8_t *data = fuzz_allocate(nbytes);
    fuzz_fill(random, &layout, data);
    fuzz_expect(medroi_context_new((uint32_t)fuzz_below(random, 4), &context, NULL) == MEDROI_OK,
                "a context");
    if (medroi_encode(context, config, &layout, data, &coded, NULL) == MEDROI_OK) {
        fuzz_stream stream = fuzz_copy(coded.data, coded.nbytes), other = fuzz_copy(data, 0);
        fuzz_read(random, &stream);
        for (uint64_t n = fuzz_below(random, 3); n > 0; n--) {
            fuzz_mutate(random, &stream, &other);
        }
        if (fuzz_below(random, 2)) {
            fuzz_repair_checksums(&stream);
        }
        fuzz_read(random, &stream);
        fuzz_release(&other);
        fuzz_release(&stream);
        medroi_free(coded.data);
    }
    if (fuzz_below(random, 4) == 0) {
        check_fit(random, config, &layout, data);
    }
    medroi_context_free(context);
    medroi_config_free(config);
    free(data);
}

FUZZ_MAIN("fuzz_engine", run)
