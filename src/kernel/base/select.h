/* Order statistics of a few values. */
#ifndef MEDROI_SELECT_H
#define MEDROI_SELECT_H

#include <stddef.h>

/* The k-th smallest of n values, k from 0, none of them NaN. The values are reordered. */
double medroi_select(double *values, size_t n, size_t k);

#endif
