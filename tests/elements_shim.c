/* The inline functions of base/float16.h and base/elements.h, for tests. */
#include "base/elements.h"

void shim_values(const uint16_t *halves, size_t n, float *values) {
    for (size_t i = 0; i < n; i++)
        values[i] = medroi_float16_value(halves[i]);
}

void shim_halves(const double *values, size_t n, uint16_t *halves) {
    for (size_t i = 0; i < n; i++)
        halves[i] = medroi_float16_bits(values[i]);
}
