/* Weights of samples, frozen as local_tables.h is. */
#ifndef MEDROI_P3_LOCAL_WEIGHTS_H
#define MEDROI_P3_LOCAL_WEIGHTS_H

#include <stdint.h>

/* Weight of a sample of variance 2^h (1 + m / 16) and up: entry 16 (h % 2) + m. */
static const uint16_t local_weight[32] = {
    32268, 31332, 30474, 29682, 28949, 28268, 27632, 27038, 26481, 25956, 25462,
    24994, 24552, 24132, 23733, 23354, 22817, 22155, 21548, 20988, 20470, 19988,
    19539, 19119, 18725, 18354, 18004, 17674, 17361, 17064, 16782, 16514,
};

#endif
