/* predict3d: how the elements of a part become numbers, chosen, written and read. */
#include "codecs/predict3d/code.h"
#include "codecs/predict3d/values.h"

#include <stdlib.h>

/* A table pays when many elements stand beside unused values: the share of elements other than
 * the commonest value whose next code is unused must be a quarter or more. */
static int table_pays(const medroi_p3_map *map, const uint8_t *data, const medroi_p3_values *values,
                      uint64_t range) {
    uint64_t n = (uint64_t)values->n_codes;
    if (range / 4 >= n)
        return 1;
    if (range + 1 < n + n / 8)
        return 0;
    int64_t lonely = 0, seen = 0, step = 1 + values->count / 65536;
    for (int64_t i = 0; i < values->count; i += step) {
        uint64_t code = medroi_p3_code_at(map, data, i);
        if (code == values->first)
            continue;
        seen++;
        lonely += code == values->high || !medroi_p3_is_used(values, code + 1);
    }
    return seen > 0 && lonely * 4 >= seen;
}

static void choose_range(medroi_p3_map *map, const medroi_p3_values *values, uint64_t range) {
    map->dropped = values->first & (((uint64_t)1 << map->dropped_bits) - 1);
    map->raw_bits = (uint8_t)(range >> 32 ? medroi_bit_length(range) - 32 : 0);
    int shift = map->dropped_bits + map->raw_bits;
    map->minimum = values->low >> shift;
    map->top = (values->high >> shift) - map->minimum;
    if (map->top >> 32) { /* the cut can add one to the range */
        map->raw_bits++;
        map->minimum = values->low >> (shift + 1);
        map->top = (values->high >> (shift + 1)) - map->minimum;
    }
}

static medroi_status choose_map(const uint8_t *data, medroi_p3_values *values, medroi_p3_map *map) {
    int64_t limit = values->count / 8 < P3_MAX_TABLE ? values->count / 8 : P3_MAX_TABLE;
    int dropped_bits = 0;
    while (values->differ != 0 && !(values->differ >> dropped_bits & 1))
        dropped_bits++;
    uint64_t range = (values->high >> dropped_bits) - (values->low >> dropped_bits);
    if (range > 16 && limit > 0) {
        medroi_status status = medroi_p3_list_codes(map, data, limit, values);
        if (status != MEDROI_OK)
            return status;
        if (values->codes && table_pays(map, data, values, range)) {
            map->top = (uint64_t)values->n_codes - 1;
            map->table = values->codes;
            values->codes = NULL;
            return MEDROI_OK;
        }
    }
    map->dropped_bits = (uint8_t)dropped_bits;
    choose_range(map, values, range);
    return MEDROI_OK;
}

medroi_status medroi_p3_find_map(const medroi_block *block, const void *data, medroi_p3_map *map,
                                 medroi_error *error) {
    int64_t count = (int64_t)(medroi_block_nbytes(block) / block->itemsize);
    medroi_p3_values values;
    memset(map, 0, sizeof *map);
    map->kind = block->kind;
    map->itemsize = block->itemsize;
    map->big_endian = block->big_endian;
    medroi_status status = medroi_p3_survey(map, data, count, &values);
    if (status == MEDROI_OK)
        status = choose_map(data, &values, map);
    medroi_p3_values_free(&values);
    if (status != MEDROI_OK)
        return medroi_fail(error, status, "predict3d: no memory to count the values used");
    return MEDROI_OK;
}

void medroi_p3_write_map(const medroi_p3_map *map, medroi_rc_encoder *rc, medroi_bit_writer *raw) {
    medroi_number_model model;
    medroi_number_init(&model);
    medroi_number_encode(rc, raw, &model, map->top);
    medroi_number_encode(rc, raw, &model, map->table != NULL);
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

medroi_status medroi_p3_read_map(medroi_p3_map *map, medroi_rc_decoder *rc, medroi_bit_reader *raw,
                                 medroi_error *error) {
    uint64_t greatest = UINT64_MAX >> (64 - 8 * map->itemsize);
    medroi_number_model model;
    medroi_number_init(&model);
    map->top = medroi_number_decode(rc, raw, &model);
    uint64_t has_table = medroi_number_decode(rc, raw, &model);
    if (map->top > UINT32_MAX || has_table > 1)
        return medroi_p3_corrupt(error, "the range of values is impossible");
    if (has_table)
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
