/* Integers under mixtures of logistics, one mixture per integer: FORMAT.md section "Mixtures of
 * logistics". Everything that decides a share is an integer, so two machines agree. */
#ifndef MEDROI_MIXTURE_H
#define MEDROI_MIXTURE_H

#include "base/kernel.h"

#define MEDROI_MIXTURE_MAX_COMPONENTS 16
#define MEDROI_MIXTURE_MAX_WEIGHT 127    /* weight 2^(-index / 8) */
#define MEDROI_MIXTURE_MAX_SCALE 175     /* scale 2^((index - 40) / 8) */
#define MEDROI_MIXTURE_MAX_MEAN 8388608  /* in units of 1/64 */
#define MEDROI_MIXTURE_MAX_SYMBOL 131071 /* of either sign */
#define MEDROI_MIXTURE_MAX_LEVELS 65536

/* `count` mixtures of `components` logistics each; symbol i lies in low[i]..high[i]. */
typedef struct medroi_mixtures {
    size_t count, components;
    const uint8_t *weights; /* [count, components] */
    const int32_t *means;
    const uint8_t *scales;
    const int32_t *low, *high; /* [count] */
} medroi_mixtures;

/* Refuse indices, means and ranges that FORMAT.md does not allow. */
medroi_status medroi_mixtures_check(const medroi_mixtures *mixtures, medroi_error *error);

/* Most bytes that medroi_mixtures_encode needs; 0 where no memory holds it. */
size_t medroi_mixtures_capacity(size_t count);

/* Code one symbol per mixture. The mixtures have been checked. */
medroi_status medroi_mixtures_encode(const medroi_mixtures *mixtures, const int32_t *symbols,
                                     uint8_t *dst, size_t capacity, size_t *nbytes,
                                     medroi_error *error);

/* Decode one symbol per mixture from exactly `nbytes`. The mixtures have been checked. */
medroi_status medroi_mixtures_decode(const medroi_mixtures *mixtures, const uint8_t *src,
                                     size_t nbytes, int32_t *symbols, medroi_error *error);

#endif
