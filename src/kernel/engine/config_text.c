/* A configuration as the JSON object that numcodecs keeps. */
#include "engine/config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void put_integer(medroi_text *text, int64_t number) {
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%" PRId64, number);
    medroi_text_put(text, digits);
}

/* A number that is read as one with a fraction, whatever it is. */
static void put_float(medroi_text *text, double number) {
    size_t start = text->nbytes;
    medroi_text_number(text, number);
    if (!text->failed && strpbrk(text->start + start, ".e\"") == NULL) {
        medroi_text_put(text, ".0");
    }
}

/* One of an option's choices. */
static void put_choice(medroi_text *text, const char *name, int choice) {
    medroi_text_put(text, "\"");
    medroi_text_put(text, medroi_find_option(name)->choices[choice]);
    medroi_text_put(text, "\"");
}

static void put_threshold(medroi_text *text, const medroi_region_options *region) {
    if (region->threshold_rule == MEDROI_THRESHOLD_NONE) {
        medroi_text_put(text, "null");
    } else if (region->threshold_rule == MEDROI_THRESHOLD_NUMBER) {
        put_float(text, region->threshold);
    } else {
        put_choice(text, "threshold", (int)region->threshold_rule - MEDROI_THRESHOLD_MEAN);
    }
}

static void put_background(medroi_text *text, const medroi_config *config) {
    char digits[24];
    double number;
    switch (config->background) {
    case MEDROI_BACKGROUND_FILL:
        medroi_text_put(text, "null");
        break;
    case MEDROI_BACKGROUND_AUTO:
        medroi_text_put(text, "\"auto\"");
        break;
    case MEDROI_BACKGROUND_INT:
        put_integer(text, (int64_t)config->background_word);
        break;
    case MEDROI_BACKGROUND_UINT:
        (void)snprintf(digits, sizeof digits, "%" PRIu64, config->background_word);
        medroi_text_put(text, digits);
        break;
    case MEDROI_BACKGROUND_FLOAT:
        memcpy(&number, &config->background_word, sizeof number);
        medroi_text_number(text, number);
        break;
    }
}

static void put_axes(medroi_text *text, const medroi_config *config) {
    if (config->n_axes == 0) {
        medroi_text_put(text, "null");
        return;
    }
    for (int32_t i = 0; i < config->n_axes; i++) {
        medroi_text_put(text, i == 0 ? "[" : ", ");
        put_integer(text, config->axes[i]);
    }
    medroi_text_put(text, "]");
}

static void put_affine(medroi_text *text, const medroi_config *config) {
    if (!config->has_affine) {
        medroi_text_put(text, "null");
        return;
    }
    for (int i = 0; i < 9; i++) {
        medroi_text_put(text, i == 0 ? "[[" : i % 3 == 0 ? "], [" : ", ");
        put_float(text, (double)config->affine[i]);
    }
    medroi_text_put(text, "]]");
}

medroi_status medroi_config_to_json(const medroi_config *config, char **json, medroi_error *error) {
    const medroi_region_options *region = &config->region;
    medroi_text text = {0};
    medroi_text_put(&text, "{\"id\": \"medroi\", \"inner\": ");
    medroi_text_put(&text, config->inner != NULL ? config->inner : "null");
    medroi_text_put(&text, ", \"threshold\": ");
    put_threshold(&text, region);
    medroi_text_put(&text, ", \"polarity\": ");
    put_choice(&text, "polarity", region->dark);
    medroi_text_put(&text, ", \"roi\": ");
    put_choice(&text, "roi", (int)region->roi);
    medroi_text_put(&text, ", \"background\": ");
    put_background(&text, config);
    medroi_text_put(&text, ", \"padding\": ");
    put_integer(&text, region->padding);
    medroi_text_put(&text, ", \"max_miss_rate\": ");
    put_float(&text, region->max_miss_rate);
    medroi_text_put(&text, ", \"axes\": ");
    put_axes(&text, config);
    medroi_text_put(&text, ", \"components\": ");
    put_choice(&text, "components", region->largest_only);
    medroi_text_put(&text, ", \"slice_axis\": ");
    if (config->has_slice_axis) {
        put_integer(&text, config->slice_axis);
    } else {
        medroi_text_put(&text, "null");
    }
    medroi_text_put(&text, ", \"affine\": ");
    put_affine(&text, config);
    medroi_text_put(&text, config->verify ? ", \"verify\": true}" : "}");
    *json = text.start;
    if (text.failed) {
        medroi_free(text.start);
        *json = NULL;
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a configuration's text");
    }
    return MEDROI_OK;
}
