/* Binary decisions under a logistic mixture of adaptive counters: FORMAT.md section 8.1.
 *
 * Several counters, each chosen by another view of what is known, say how likely a 1 is. Their
 * logits are added with weights that were learned on earlier decisions of the same kind, by online
 * gradient descent on the code length (Mahoney 2005, "Adaptive weighing of context models"; PAQ).
 * Two sets of weights, chosen by two more views, share the sum and the gradient. A counter that has
 * seen nothing starts from the first counter of the decision, so that rare contexts cost little;
 * that one never starts empty. All is integer, so two machines agree.
 */
#ifndef MEDROI_LOGISTIC_H
#define MEDROI_LOGISTIC_H

#include "entropy/mixture_tables.h"
#include "entropy/range_coder.h"

#define MEDROI_LOGISTIC_COUNTERS 7
#define MEDROI_LOGISTIC_INPUTS (MEDROI_LOGISTIC_COUNTERS + 1) /* and a constant */
#define MEDROI_LOGISTIC_BITS 20                               /* of a probability to code with */
#define MEDROI_LOGISTIC_WHOLE (1 << MEDROI_LOGISTIC_BITS)
#define MEDROI_LOGISTIC_LIMIT 3071   /* of a logit, in 1/256: about 12 */
#define MEDROI_LOGISTIC_SLOWEST 1000 /* a counter learns as if it had seen at most so many */

/* P(1) in 22 bits above the number of decisions seen, in 10 bits; 0: has seen nothing. */
typedef uint32_t medroi_counter;

/* Weights in 1/65536, and how often they have learned. */
typedef struct medroi_weights {
    int32_t weight[MEDROI_LOGISTIC_INPUTS];
    uint32_t seen;
} medroi_weights;

typedef struct medroi_logistic {
    int16_t logit[4096]; /* of (i + 1/2) / 4096 */
    uint16_t rate[MEDROI_LOGISTIC_SLOWEST + 1];
} medroi_logistic;

/* One decision: who is asked, what they said, and P(1) of 2^20. */
typedef struct medroi_decision {
    medroi_counter *counter[MEDROI_LOGISTIC_COUNTERS];
    medroi_weights *weights[2];
    int32_t input[MEDROI_LOGISTIC_INPUTS];
    int32_t p1;
} medroi_decision;

/* 2^20 times the logistic function of x / 256. */
static inline int32_t medroi_logistic_squash(int32_t x) {
    int32_t size = x < 0 ? -x : x;
    size = size < MEDROI_LOGISTIC_LIMIT ? size : MEDROI_LOGISTIC_LIMIT;
    uint32_t start = medroi_mixture_sigmoid[size >> 3];
    uint32_t rise = medroi_mixture_sigmoid[(size >> 3) + 1] - start;
    int32_t value = (int32_t)((start + (rise * (uint32_t)(size & 7) >> 3)) >> 4);
    return x < 0 ? MEDROI_LOGISTIC_WHOLE - value : value;
}

static inline void medroi_logistic_init(medroi_logistic *l) {
    int32_t x = -MEDROI_LOGISTIC_LIMIT;
    for (int32_t i = 0; i < 4096; i++) {
        while (medroi_logistic_squash(x) < 256 * i + 128)
            x++;
        l->logit[i] = (int16_t)x;
    }
    for (int32_t n = 0; n <= MEDROI_LOGISTIC_SLOWEST; n++)
        l->rate[n] = (uint16_t)(16384 / (2 * n + 3));
}

/* A counter that starts from a probability of 2^20, as if it had seen n decisions. */
static inline medroi_counter medroi_counter_of(int32_t p1, uint32_t n) {
    return (medroi_counter)p1 << 12 | n;
}

static inline void medroi_counter_learn(const medroi_logistic *l, medroi_counter *counter,
                                        unsigned bit) {
    medroi_counter c = *counter;
    uint32_t n = c & 1023;
    int32_t away = ((int32_t)(bit << 22) - (int32_t)(c >> 10)) >> 3;
    c += (uint32_t)(away * (int32_t)l->rate[n]) & ~(uint32_t)1023;
    *counter = c + (n < MEDROI_LOGISTIC_SLOWEST);
}

static inline void medroi_logistic_predict(const medroi_logistic *l, medroi_decision *d) {
    const medroi_counter first = (*d->counter[0] & ~(medroi_counter)1023) | 1;
    int64_t sum = 0;
    for (int i = 0; i < MEDROI_LOGISTIC_COUNTERS; i++) {
        medroi_counter c = *d->counter[i];
        c = c == 0 ? first : c;
        *d->counter[i] = c;
        d->input[i] = l->logit[c >> 20];
    }
    d->input[MEDROI_LOGISTIC_COUNTERS] = 256;
    for (int i = 0; i < MEDROI_LOGISTIC_INPUTS; i++)
        sum += ((int64_t)d->weights[0]->weight[i] + d->weights[1]->weight[i]) * d->input[i];
    sum >>= 16;
    d->p1 = medroi_logistic_squash(sum < -MEDROI_LOGISTIC_LIMIT  ? -MEDROI_LOGISTIC_LIMIT
                                   : sum > MEDROI_LOGISTIC_LIMIT ? MEDROI_LOGISTIC_LIMIT
                                                                 : (int32_t)sum);
}

/* Weights wrap around, so that no damaged stream makes them overflow. */
static inline void medroi_weights_learn(medroi_weights *w, const int32_t *input, int32_t miss) {
    int shift = 15 + (w->seen >= 512) + (w->seen >= 2048);
    w->seen += w->seen < 2048;
    for (int i = 0; i < MEDROI_LOGISTIC_INPUTS; i++) {
        int32_t change = (input[i] * miss + (1 << (shift - 1))) >> shift;
        w->weight[i] = (int32_t)((uint32_t)w->weight[i] + (uint32_t)change);
    }
}

static inline void medroi_logistic_learn(const medroi_logistic *l, medroi_decision *d,
                                         unsigned bit) {
    int32_t miss = ((bit ? MEDROI_LOGISTIC_WHOLE : 0) - d->p1) >> 4;
    medroi_weights_learn(d->weights[0], d->input, miss);
    medroi_weights_learn(d->weights[1], d->input, miss);
    for (int i = 0; i < MEDROI_LOGISTIC_COUNTERS; i++)
        medroi_counter_learn(l, d->counter[i], bit);
}

/* A decision of which P(1) is p1 of 2^20. The share of 1 comes first. */
static inline void medroi_chance_encode(medroi_rc_encoder *rc, uint32_t p1, unsigned bit) {
    medroi_rc_encode(rc, bit ? 0 : p1, bit ? p1 : MEDROI_LOGISTIC_WHOLE - p1, MEDROI_LOGISTIC_BITS);
}

static inline unsigned medroi_chance_decode(medroi_rc_decoder *rc, uint32_t p1) {
    uint64_t r = rc->range >> MEDROI_LOGISTIC_BITS;
    unsigned bit = rc->code < r * p1;
    medroi_rc_narrow(rc, r, bit ? 0 : p1, bit ? p1 : MEDROI_LOGISTIC_WHOLE - p1);
    return bit;
}

static inline void medroi_logistic_encode(medroi_rc_encoder *rc, const medroi_logistic *l,
                                          medroi_decision *d, unsigned bit) {
    medroi_logistic_predict(l, d);
    medroi_chance_encode(rc, (uint32_t)d->p1, bit);
    medroi_logistic_learn(l, d, bit);
}

static inline unsigned medroi_logistic_decode(medroi_rc_decoder *rc, const medroi_logistic *l,
                                              medroi_decision *d) {
    medroi_logistic_predict(l, d);
    unsigned bit = medroi_chance_decode(rc, (uint32_t)d->p1);
    medroi_logistic_learn(l, d, bit);
    return bit;
}

#endif
