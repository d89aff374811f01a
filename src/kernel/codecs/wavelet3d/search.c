/* wavelet3d: find the step that reaches a target.
 *
 * Coding a region once per guess would be slow, so its coefficients are transformed once and kept
 * as a histogram (kept.c). From that, the error of a step follows directly, since the transform is
 * nearly orthonormal, and the bytes from the entropy of the magnitudes; both are monotonous, and
 * bisection on the logarithm of the step finds where a prediction meets the target. A real try then
 * tells by which factor the prediction was wrong, and the next one is corrected by it, until the
 * target is met.
 */
#include "codecs/wavelet3d/search.h"

#include <math.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#define EXACT 24 /* magnitudes up to this are counted one by one */

typedef double prediction(const medroi_w3_search *s, double step);

double medroi_w3_predicted_error(const medroi_w3_search *s, double step) {
    step /= s->coarser;
    double sum = 0.0, scale = s->unit / step;
    double count[W3_POINTS] = {0.0}, above[W3_POINTS] = {0.0};
    for (int32_t i = 0; i < s->n_bins; i++) {
        double x = (double)s->value[i] * scale, n = (double)s->count[i];
        if (x > (double)EXACT) {
            sum += n * (1.0 / 12.0);
            continue;
        }
        int m = (int)(x + (double)W3_ROUND);
        double e = (double)m - x;
        sum += n * e * e;
        if (m > 0) {
            int k = m < W3_POINTS ? m - 1 : W3_POINTS - 1;
            count[k] += n;
            above[k] += n * e;
        }
    }
    for (int k = 0; k < W3_POINTS; k++)
        sum -= count[k] > 0.0 ? above[k] * above[k] / count[k] : 0.0;
    return sum * step * step;
}

/* As if magnitudes were coded with the code that is best for all of them together; neighbours
 * make it less by about the same factor at all steps. */
double medroi_w3_predicted_nbytes(const medroi_w3_search *s, double step) {
    double count[EXACT + 2] = {0.0}, total = 0.0, bits = 0.0;
    double scale = s->unit * s->coarser / step;
    for (int32_t i = 0; i < s->n_bins; i++) {
        double x = (double)s->value[i] * scale, n = (double)s->count[i];
        int m = x > (double)EXACT ? EXACT + 1 : (int)(x + (double)W3_ROUND);
        count[m] += n;
        total += n;
        bits += m == 0 ? 0.0 : n; /* signs */
        bits += m > EXACT ? n * log2(x * (1.0 / EXACT)) : 0.0;
    }
    for (int m = 0; m < EXACT + 2; m++)
        bits += count[m] > 0.0 ? count[m] * log2(total / count[m]) : 0.0;
    return bits / 8.0;
}

/* The step at which a falling (bytes) or rising (error) prediction reaches `goal`. */
static double solve(const medroi_w3_search *s, prediction *predict, int rising, double goal) {
    double least = medroi_w3_least_step(s->low, s->high), most = (s->high - s->low) * 64.0;
    for (int i = 0; i < 40; i++) {
        double middle = sqrt(least) * sqrt(most);
        if ((predict(s, middle) < goal) == rising)
            least = middle;
        else
            most = middle;
    }
    return sqrt(least) * sqrt(most);
}

/* Few bytes, or few voxels, jump where many glide: there a step is taken only once it was tried. */
#define GLIDING_NBYTES 32768.0
#define GLIDING_VOXELS 65536.0

/* Ratio of the error to that of the coefficients, whose basis is nearly orthogonal. */
#define USUAL_EXCESS 1.05
/* Bytes after neighbours were used, over the prediction, and how bytes follow a prediction. */
#define USUAL_SAVING 0.77
#define USUAL_SLOPE 0.85

double medroi_w3_step_of_error(const medroi_w3_search *s, double goal) {
    return solve(s, medroi_w3_predicted_error, 1, goal / USUAL_EXCESS);
}

double medroi_w3_step_of_nbytes(const medroi_w3_search *s, double goal) {
    return solve(s, medroi_w3_predicted_nbytes, 0, goal / USUAL_SAVING);
}

/* The next try is where the prediction, times what the last try found it to be off by, reaches the
 * goal; where that does not converge, the middle of what is known. Data of few values, and few
 * voxels, may have no step near the goal: then the coarsest that is better. */
medroi_status medroi_w3_reach_error(const medroi_w3_search *s, double goal, double *step,
                                    int *is_met) {
    double below = medroi_w3_least_step(s->low, s->high), above = (s->high - s->low) * 64.0;
    double aim = goal / USUAL_EXCESS, best = 1e9, better = 0.0, n = (double)s->n_kept;
    /* Rounding to integers must not be what most of the error comes from. */
    int glides = n >= GLIDING_VOXELS && (s->kind == 'f' || goal > n);
    const double near = s->is_mixed ? 0.15 : 0.4;
    *is_met = 1;
    for (int turn = 0; turn < 12; turn++) {
        double try =
            turn < 6 ? solve(s, medroi_w3_predicted_error, 1, aim) : sqrt(below) * sqrt(above);
        double sum;
        medroi_status status = medroi_w3_true_error(s, try, &sum);
        if (status != MEDROI_OK)
            return status;
        double off = sum > 0.0 ? 10.0 * log10(goal / sum) : 1e6; /* above: better than asked */
        double distance = off < 0.0 ? -off * 8.0 : off;          /* prefer the better side */
        if (distance < best || turn == 0) {
            best = distance;
            *step = try;
        }
        if (off > (turn == 0 ? -0.02 : -0.06) && off < 0.08) {
            *step = try;
            return MEDROI_OK;
        }
        aim = sum > 0.0 ? aim * (goal / sum) : aim * 4.0;
        if (glides && off > -near && off < near) { /* what it is off by hardly changes over that */
            *step = solve(s, medroi_w3_predicted_error, 1, aim * 0.997);
            return MEDROI_OK;
        }
        if (off > 0.0) {
            below = try > below ? try : below
                ;
            better = try > better ? try : better
                ;
        } else {
            above = try < above ? try : above
                ;
        }
    }
    if (best > 1.6) {
        *step = better;
        *is_met = better > 0.0;
    }
    return MEDROI_OK;
}

/* Steps between which the size passes the goal, as far as known. */
typedef struct bracket {
    double low, high;           /* steps */
    double low_size, high_size; /* what they gave; 0: not tried */
} bracket;

static void narrow(bracket *b, double step, double size, double goal) {
    if (size > goal) {
        b->low = step;
        b->low_size = size;
    } else {
        b->high = step;
        b->high_size = size;
    }
}

/* Between two steps on a log-log line; away from the ends, so that it gets narrower. */
static double between(const bracket *b, double goal) {
    double t = log(b->low_size / goal) / log(b->low_size / b->high_size);
    t = t < 0.05 ? 0.05 : t > 0.95 ? 0.95 : t;
    return b->low * pow(b->high / b->low, t);
}

medroi_status medroi_w3_reach_nbytes(const medroi_w3_search *s, double goal, double *step) {
    double off = 0.0, last = 0.0, least = 0.0, smallest = 0.0;
    double aim = goal / USUAL_SAVING, last_step = 0.0;
    bracket b = {medroi_w3_least_step(s->low, s->high), (s->high - s->low) * 64.0, 0.0, 0.0};
    double try = medroi_w3_step_of_nbytes(s, goal);
    for (int turn = 0; turn < 14; turn++) {
        double size;
        medroi_status status = medroi_w3_true_nbytes(s, try, &size);
        if (status != MEDROI_OK)
            return status;
        *step = try;
        off = size / goal - 1.0;
        if (off < 0.004 && off > -0.004)
            return MEDROI_OK;
        if (turn == 0 || size < least) {
            least = size;
            smallest = try;
        }
        narrow(&b, try, size, goal);
        aim *= pow(goal / size, USUAL_SLOPE);
        if (goal > GLIDING_NBYTES && off < 0.03 && off > -0.03) {
            *step = turn == 0 ? solve(s, medroi_w3_predicted_nbytes, 0, aim)
                              : try * pow(try / last_step, log(goal / size) / log(size / last));
            return MEDROI_OK;
        }
        last = size;
        last_step = try;
        if (turn >= 2 && b.low_size > 0.0 && b.high_size > 0.0)
            try = between(&b, goal);
        else if (turn < 4)
            try = solve(s, medroi_w3_predicted_nbytes, 0, aim);
        else
            try = off > 0.0 ? sqrt(try) * sqrt(b.high) : sqrt(try) * sqrt(b.low);
    }
    if (off > 0.01) /* headers alone may take more */
        *step = smallest;
    return MEDROI_OK;
}
