/* Compare the row kernels of this machine's vectors with the portable ones, on random rows.
 *
 * Compiled with rows_kernels.c twice: as it is, and as `portable_row_ops_for` without vectors.
 * Arguments: seed, rounds. Prints the first difference and returns 1, or returns 0. */
#include "grid/rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LENGTH 1100

const medroi_row_ops *portable_row_ops_for(medroi_element_type type, int dark);

static uint64_t state;
static uint8_t row[MAX_LENGTH * sizeof(double)];
static const char *what = "";

static uint64_t draw(uint64_t n) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (state >> 33) % n;
}

static double draw_float(int odd) {
    static const double specials[] = {0.0, -0.0, 1.0, -1.0, 1e30, -1e30};
    if (odd && draw(40) == 0) {
        return draw(2) ? (double)NAN : draw(2) ? (double)INFINITY : -(double)INFINITY;
    }
    return draw(4) ? (double)draw(2000) / 8 - 100 : specials[draw(6)];
}

/* One element: often one of few values, so that some are equal; sometimes any bits. */
static void draw_element(medroi_element_type type, int odd, uint8_t *p) {
    size_t nbytes = medroi_element_nbytes(type);
    double value = draw_float(odd);
    float single = (float)value;
    uint64_t bits = draw(3) ? draw(256) : draw(UINT32_MAX) << 32 | draw(UINT32_MAX) << 1;
    static const uint64_t signaling = UINT64_C(0x7ff0000000000001);
    static const uint32_t signaling_single = 0x7f800001;
    if (odd && draw(60) == 0 && type == MEDROI_F64) {
        memcpy(p, &signaling, nbytes);
    } else if (odd && draw(60) == 0 && type == MEDROI_F32) {
        memcpy(p, &signaling_single, nbytes);
    } else if (type == MEDROI_F64) {
        memcpy(p, &value, nbytes);
    } else if (type == MEDROI_F32) {
        memcpy(p, &single, nbytes);
    } else {
        bits = draw(2) ? bits : ~bits;
        memcpy(p, &bits, nbytes); /* little-endian */
    }
}

static medroi_scalar scalar_at(medroi_element_type type, const uint8_t *p) {
    static const char kinds[] = "iuiuiuiuff";
    medroi_layout layout;
    uint64_t bits = 0;
    memset(&layout, 0, sizeof layout);
    layout.kind = kinds[type];
    layout.itemsize = (uint16_t)medroi_element_nbytes(type);
    memcpy(&bits, p, layout.itemsize);
    return medroi_scalar_from_bits(&layout, bits);
}

static int same(const char *name, const void *a, const void *b, size_t nbytes) {
    what = name;
    return memcmp(a, b, nbytes) == 0;
}

static int rows_agree(const medroi_row_ops *const ops[2], medroi_element_type type, size_t n,
                      medroi_scalar background, medroi_scalar tau, medroi_scalar level) {
    static uint64_t counts[2][MEDROI_HISTOGRAM_NBYTES / sizeof(uint64_t)];
    uint64_t bits[2][3][MAX_LENGTH / 64 + 1];
    double values[2][MAX_LENGTH];
    medroi_sum sums[2];
    double ends[2][2] = {{1e300, -1e300}, {1e300, -1e300}};
    uint64_t numbers[2][2];
    const medroi_bins bins = {.low = 0, .range = 256, .scale = 1, .n_bins = 256};
    int is_byte = type == MEDROI_U8;
    memset(sums, 0, sizeof sums);
    memset(bits, 0, sizeof bits);
    for (int k = 0; k < 2; k++) {
        ops[k]->add_up(ops[k], row, n, background, &sums[k]);
        numbers[k][0] = ops[k]->count(ops[k], row, n, tau);
        ops[k]->mark(ops[k], row, n, tau, bits[k][0]);
        ops[k]->mark_both(ops[k], row, n, tau, level, bits[k][1], bits[k][2]);
        numbers[k][1] = ops[k]->range(ops[k], row, n, &ends[k][0], &ends[k][1]);
        ops[k]->widen(ops[k], row, n, values[k]);
        if (is_byte) {
            medroi_clear_tables(counts[k], bins.n_bins);
            ops[k]->histogram(ops[k], row, n, &bins, counts[k]);
        }
    }
    return same("sums", &sums[0], &sums[1], sizeof sums[0]) &&
           same("counts", numbers[0], numbers[1], sizeof numbers[0]) &&
           same("marks", bits[0], bits[1], sizeof bits[0]) &&
           same("marks at two levels", bits[0][0], bits[0][1], sizeof bits[0][0]) &&
           (ends[0][0] == ends[1][0] && ends[0][1] == ends[1][1]) &&
           same("values", values[0], values[1], n * sizeof(double)) &&
           (!is_byte || same("histogram", counts[0], counts[1],
                             MEDROI_HISTOGRAM_TABLES * 257 * sizeof(uint64_t)));
}

int main(int argc, char **argv) {
    state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    unsigned long n_rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
    for (unsigned long round = 0; round < n_rounds; round++) {
        medroi_element_type type = (medroi_element_type)draw(MEDROI_N_ELEMENT_TYPES);
        int dark = (int)draw(2);
        size_t nbytes = medroi_element_nbytes(type);
        size_t length = 1 + draw(draw(2) ? 80 : MAX_LENGTH);
        int odd = draw(2) != 0;
        for (size_t i = 0; i < length; i++) {
            draw_element(type, odd, row + i * nbytes);
        }
        const medroi_row_ops *const ops[2] = {portable_row_ops_for(type, dark),
                                              medroi_row_ops_for(type, dark)};
        medroi_scalar background = scalar_at(type, row + draw(length) * nbytes);
        medroi_scalar tau = scalar_at(type, row + draw(length) * nbytes);
        medroi_scalar level = scalar_at(type, row + draw(length) * nbytes);
        if (!rows_agree(ops, type, length, background, tau, level)) {
            printf("round %lu: type %d, dark %d, length %zu: %s differ\n", round, (int)type, dark,
                   length, what);
            return 1;
        }
    }
    printf("%lu rounds: vectors (%s) and portable rows agree\n", n_rounds,
           medroi_row_ops_for(MEDROI_U8, 0)->count == portable_row_ops_for(MEDROI_U8, 0)->count
               ? "none"
               : "some");
    return 0;
}
