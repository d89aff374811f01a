/* predict3d: how the elements of a part become numbers, chosen, written and read.
 *
 * Prediction wants small consecutive integers that sort as the values do. The key of an element
 * (base/elements.h) is one for any type, floats included. Then what carries no information goes:
 * low bits that are the same in all elements are sent once; where the keys still span more than 32
 * bits, the lowest are sent raw; the smallest key is subtracted. Where few of the keys in the range
 * occur, as with scaled integers or multiples of a step, the keys that do are listed instead, and a
 * voxel is a place in that table. Floats that are multiples of a step, most of which occur, are
 * numbered by their multiple: then the table is made of the step, and is not sent.
 */
#include "base/elements.h"
#include "codecs/predict3d/predict3d.h"
#include "codecs/valuemap/distinct.h"
#include "codecs/valuemap/intmap.h"

#include <math.h>
#include <stdlib.h>

/* Multiples of a step are numbered as such where at most so many times those that occur lie in
 * their range. */
#define GAPS_PER_VALUE 4
/* 2^52, folded as it is sent. */
#define GREATEST_OFFSET ((uint64_t)1 << 53)
/* Kinds of maps, as they are sent. */
enum { MAP_RANGE, MAP_TABLE, MAP_MULTIPLES };

/* A table pays when many elements stand beside unused values: the share of elements other than
 * the first one's value whose next key is unused must be a quarter or more. */
static int table_pays(const medroi_block *block, const void *data, const medroi_distinct *values,
                      uint64_t range) {
    if (range / 4 >= values->n)
        return 1;
    if (range + 1 < values->n + values->n / 8)
        return 0;
    size_t count = medroi_block_nbytes(block) / block->itemsize;
    size_t lonely = 0, seen = 0, step = 1 + count / 65536;
    for (size_t i = 0; i < count; i += step) {
        uint64_t key = medroi_key_at(block, data, i);
        if (key == values->first_key)
            continue;
        seen++;
        lonely += key == values->max_key || medroi_distinct_rank(values, key + 1) == UINT32_MAX;
    }
    return seen > 0 && lonely * 4 >= seen;
}

static void choose_range(medroi_p3_map *map, const medroi_distinct *values, uint64_t range) {
    map->dropped = values->first_key & (((uint64_t)1 << map->dropped_bits) - 1);
    map->raw_bits = (uint8_t)(range >> 32 ? medroi_bit_length(range) - 32 : 0);
    int shift = map->dropped_bits + map->raw_bits;
    map->minimum = values->min_key >> shift;
    map->top = (values->max_key >> shift) - map->minimum;
    if (map->top >> 32) { /* the cut can add one to the range */
        map->raw_bits++;
        map->minimum = values->min_key >> (shift + 1);
        map->top = (values->max_key >> (shift + 1)) - map->minimum;
    }
}

/* Make the table of a map whose step and offset are known; 0 where there is none. */
static medroi_status make_multiples(medroi_p3_map *map, int *is_one, medroi_error *error) {
    *is_one = 0;
    map->table = malloc(((size_t)map->top + 1) * sizeof *map->table);
    if (!map->table)
        return medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for the table of values");
    for (uint64_t i = 0; i <= map->top; i++) {
        double value = (double)(map->offset + (int64_t)i) * map->step;
        map->table[i] = medroi_value_key(&map->elements, value);
        if (!isfinite(medroi_key_value(&map->elements, map->table[i])) ||
            (i > 0 && map->table[i] <= map->table[i - 1]))
            return MEDROI_OK;
    }
    *is_one = 1;
    return MEDROI_OK;
}

/* The multiples of a step, where all values are some and not many others lie between. */
static medroi_status choose_multiples(const medroi_block *block, const medroi_distinct *values,
                                      medroi_p3_map *map, medroi_error *error) {
    medroi_intmap found;
    int is_one = 0;
    if (block->kind != 'f' || values->n < 2 ||
        !medroi_intmap_find_scaled(block, values->keys, values->n, P3_MAX_TABLE - 1, &found) ||
        found.max_index / GAPS_PER_VALUE >= values->n)
        return MEDROI_OK;
    map->top = found.max_index;
    map->step = found.step;
    map->offset = found.offset;
    medroi_status status = make_multiples(map, &is_one, error);
    if (!is_one) {
        free(map->table);
        map->table = NULL;
        map->step = 0;
    }
    return status;
}

/* The table of the values used, where there are few enough and it pays. */
static medroi_status choose_table(const medroi_block *block, const void *data, uint64_t range,
                                  medroi_distinct *values, medroi_p3_map *map,
                                  medroi_error *error) {
    size_t count = medroi_block_nbytes(block) / block->itemsize;
    size_t longest = count / 8, limit = block->kind == 'f' ? count : longest;
    limit = limit < P3_MAX_TABLE ? limit : P3_MAX_TABLE;
    if (range <= 16 || limit == 0)
        return MEDROI_OK;
    medroi_status status = medroi_distinct_list(block, data, limit, values, error);
    if (status == MEDROI_OK && !values->overflow)
        status = choose_multiples(block, values, map, error);
    if (status == MEDROI_OK && !values->overflow && !map->table && values->n <= longest &&
        table_pays(block, data, values, range)) {
        map->top = values->n - 1;
        map->table = values->keys;
        values->keys = NULL;
    }
    return status;
}

medroi_status medroi_p3_find_map(const medroi_block *block, const void *data, medroi_p3_map *map,
                                 medroi_error *error) {
    medroi_distinct values;
    int dropped_bits = 0;
    memset(map, 0, sizeof *map);
    map->elements = *block;
    medroi_distinct_survey(block, data, &values);
    while (values.differ != 0 && !(values.differ >> dropped_bits & 1))
        dropped_bits++;
    uint64_t range = (values.max_key >> dropped_bits) - (values.min_key >> dropped_bits);
    medroi_status status = choose_table(block, data, range, &values, map, error);
    if (status == MEDROI_OK && !map->table) {
        map->dropped_bits = (uint8_t)dropped_bits;
        choose_range(map, &values, range);
    }
    medroi_distinct_free(&values);
    return status;
}

void medroi_p3_write_map(const medroi_p3_map *map, medroi_rc_encoder *rc, medroi_bit_writer *raw) {
    medroi_number_model model;
    medroi_number_init(&model);
    medroi_number_encode(rc, raw, &model, map->top);
    medroi_number_encode(rc, raw, &model, map->step > 0 ? MAP_MULTIPLES : map->table != NULL);
    if (map->step > 0) {
        uint64_t bits, twice = (uint64_t)map->offset * 2;
        memcpy(&bits, &map->step, sizeof bits);
        medroi_number_encode(rc, raw, &model, map->offset < 0 ? ~twice : twice);
        medroi_number_encode(rc, raw, &model, bits);
        return;
    }
    if (map->table) {
        uint64_t last = map->table[0];
        medroi_number_encode(rc, raw, &model, last);
        medroi_number_init(&model);
        for (uint64_t i = 1; i <= map->top; i++) {
            medroi_number_encode(rc, raw, &model, map->table[i] - last - 1);
            last = map->table[i];
        }
        return;
    }
    medroi_number_encode(rc, raw, &model, map->minimum);
    medroi_number_encode(rc, raw, &model, map->dropped_bits);
    medroi_number_encode(rc, raw, &model, map->raw_bits);
    medroi_number_encode(rc, raw, &model, map->dropped);
}

static medroi_status read_table(medroi_p3_map *map, uint64_t greatest, medroi_rc_decoder *rc,
                                medroi_bit_reader *raw, medroi_number_model *model,
                                medroi_error *error) {
    if (map->top >= P3_MAX_TABLE)
        return medroi_p3_corrupt(error, "the table of values is longer than 65536");
    map->table = malloc(((size_t)map->top + 1) * sizeof(uint64_t));
    if (!map->table)
        return medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for the table of values");
    uint64_t last = medroi_number_decode(rc, raw, model);
    medroi_number_init(model);
    map->table[0] = last;
    for (uint64_t i = 1; i <= map->top && last <= greatest; i++) {
        uint64_t step = medroi_number_decode(rc, raw, model);
        if (last == greatest || step > greatest - last - 1)
            return medroi_p3_corrupt(error, "the table of values exceeds the element's range");
        last += step + 1;
        map->table[i] = last;
    }
    return last <= greatest
               ? MEDROI_OK
               : medroi_p3_corrupt(error, "the table of values exceeds the element's range");
}

static medroi_status read_multiples(medroi_p3_map *map, medroi_rc_decoder *rc,
                                    medroi_bit_reader *raw, medroi_number_model *model,
                                    medroi_error *error) {
    uint64_t folded = medroi_number_decode(rc, raw, model);
    uint64_t bits = medroi_number_decode(rc, raw, model);
    int is_one = 0;
    memcpy(&map->step, &bits, sizeof bits);
    map->offset = (int64_t)(folded >> 1) ^ -(int64_t)(folded & 1);
    if (map->elements.kind != 'f' || map->top >= P3_MAX_TABLE || !(map->step > 0) ||
        !isfinite(map->step) || folded > GREATEST_OFFSET)
        return medroi_p3_corrupt(error, "the step of the values is impossible");
    medroi_status status = make_multiples(map, &is_one, error);
    if (status == MEDROI_OK && !is_one)
        return medroi_p3_corrupt(error, "the multiples of the step are not increasing values");
    return status;
}

medroi_status medroi_p3_read_map(medroi_p3_map *map, medroi_rc_decoder *rc, medroi_bit_reader *raw,
                                 medroi_error *error) {
    uint64_t greatest = UINT64_MAX >> (64 - 8 * map->elements.itemsize);
    medroi_number_model model;
    medroi_number_init(&model);
    map->top = medroi_number_decode(rc, raw, &model);
    uint64_t kind = medroi_number_decode(rc, raw, &model);
    if (map->top > UINT32_MAX || kind > MAP_MULTIPLES)
        return medroi_p3_corrupt(error, "the range of values is impossible");
    if (kind == MAP_MULTIPLES)
        return read_multiples(map, rc, raw, &model, error);
    if (kind == MAP_TABLE)
        return read_table(map, greatest, rc, raw, &model, error);
    map->minimum = medroi_number_decode(rc, raw, &model);
    uint64_t dropped_bits = medroi_number_decode(rc, raw, &model);
    uint64_t raw_bits = medroi_number_decode(rc, raw, &model);
    map->dropped = medroi_number_decode(rc, raw, &model);
    if (dropped_bits > 63 || raw_bits > 63 || dropped_bits + raw_bits > 63 ||
        map->dropped >> dropped_bits != 0)
        return medroi_p3_corrupt(error, "the shifts of the values are impossible");
    greatest >>= dropped_bits + raw_bits;
    if (map->top > greatest || map->minimum > greatest - map->top)
        return medroi_p3_corrupt(error, "the values exceed the element's range");
    map->dropped_bits = (uint8_t)dropped_bits;
    map->raw_bits = (uint8_t)raw_bits;
    return MEDROI_OK;
}
