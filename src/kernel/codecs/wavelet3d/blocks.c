/* wavelet3d: blocks of elements to numbers and back, and how far two blocks differ. */
#include "base/bytes.h"
#include "codecs/wavelet3d/wavelet3d.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

static inline int load_int16(const medroi_block *block) {
    return block->kind == 'i' && block->itemsize == 2 && !block->big_endian;
}

static inline int16_t int16_at(const void *data, int64_t i) {
    return (int16_t)medroi_load16((const uint8_t *)data + 2 * i);
}

static inline size_t run_length(int64_t left) { return left < W3_RUN ? (size_t)left : W3_RUN; }

int medroi_w3_range(const medroi_block *block, const void *data, double *low, double *high) {
    int64_t n = (int64_t)(medroi_block_nbytes(block) / block->itemsize);
    double least = medroi_w3_element(block, data, 0), most = least;
    int finite = 1;
    if (load_int16(block)) {
        int16_t a = int16_at(data, 0), b = a;
        for (int64_t i = 0; i < n; i++) {
            int16_t v = int16_at(data, i);
            a = v < a ? v : a;
            b = v > b ? v : b;
        }
        *low = a;
        *high = b;
        return 1;
    }
    for (int64_t done = 0; done < n; done += W3_RUN) {
        double values[W3_RUN];
        size_t run = run_length(n - done);
        medroi_w3_elements(block, data, done, run, values);
        for (size_t i = 0; i < run; i++) {
            double v = values[i];
            finite &= v - v == 0.0;
            least = v < least ? v : least;
            most = v > most ? v : most;
        }
    }
    *low = least;
    *high = most;
    return finite;
}

int medroi_w3_load(const medroi_block *block, const void *data, const medroi_w3_header *h,
                   float *out) {
    int64_t n = (int64_t)(medroi_block_nbytes(block) / block->itemsize);
    double middle = h->low * 0.5 + h->high * 0.5;
    int finite = 1;
    if (load_int16(block)) {
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)(((double)int16_at(data, i) - middle) / h->step);
        return 1;
    }
    for (int64_t done = 0; done < n; done += W3_RUN) {
        double values[W3_RUN];
        size_t run = run_length(n - done);
        medroi_w3_elements(block, data, done, run, values);
        for (size_t i = 0; i < run; i++) {
            finite &= values[i] - values[i] == 0.0;
            out[done + (int64_t)i] = (float)((values[i] - middle) / h->step);
        }
    }
    return finite;
}

void medroi_w3_store(const medroi_block *block, const medroi_w3_header *h, const float *data,
                     void *out) {
    int64_t n = (int64_t)(medroi_block_nbytes(block) / block->itemsize);
    if (load_int16(block)) {
        uint8_t *p = out;
        for (int64_t i = 0; i < n; i++) {
            double v = medroi_w3_rebuild(h, data[i]) + 0.5;
            v = v > h->low ? v : h->low;
            v = v < h->high ? v : h->high;
            int value = (int)(v + 32768.0) - 32768; /* v + 32768 >= 0: truncation is floor */
            medroi_store16(p + 2 * i, (uint16_t)value);
        }
        return;
    }
    for (int64_t i = 0; i < n; i++)
        medroi_w3_put_element(block, out, i,
                              medroi_w3_to_kind(block, h, medroi_w3_rebuild(h, data[i])));
}

int64_t medroi_w3_range_kept(const medroi_block *block, const void *data, const uint8_t *kept,
                             double *low, double *high) {
    int64_t n = (int64_t)(medroi_block_nbytes(block) / block->itemsize), n_kept = 0;
    for (int64_t done = 0; done < n; done += W3_RUN) {
        double values[W3_RUN];
        size_t run = run_length(n - done);
        medroi_w3_elements(block, data, done, run, values);
        for (size_t i = 0; i < run; i++) {
            if (!kept[done + (int64_t)i])
                continue;
            *low = n_kept == 0 || values[i] < *low ? values[i] : *low;
            *high = n_kept == 0 || values[i] > *high ? values[i] : *high;
            n_kept++;
        }
    }
    return n_kept;
}

double medroi_w3_squared_error(const medroi_block *block, const void *a, const void *b,
                               const uint8_t *kept) {
    int64_t n = (int64_t)(medroi_block_nbytes(block) / block->itemsize);
    double sum = 0.0;
    if (load_int16(block)) {
        uint64_t squares = 0; /* of fewer than 2^31 elements */
        for (int64_t i = 0; i < n; i++) {
            int64_t d = (int64_t)int16_at(a, i) - int16_at(b, i);
            squares += (uint64_t)(d * d) & (kept == NULL || kept[i] ? ~(uint64_t)0 : 0);
        }
        return (double)squares;
    }
    for (int64_t done = 0; done < n; done += W3_RUN) {
        double first[W3_RUN], second[W3_RUN];
        size_t run = run_length(n - done);
        medroi_w3_elements(block, a, done, run, first);
        medroi_w3_elements(block, b, done, run, second);
        for (size_t i = 0; i < run; i++) {
            double d = first[i] - second[i];
            sum += kept == NULL || kept[done + (int64_t)i] ? d * d : 0.0;
        }
    }
    return sum;
}

int64_t medroi_w3_next_far(const medroi_block *block, const void *a, const void *b, int64_t from,
                           double distance) {
    int64_t n = (int64_t)(medroi_block_nbytes(block) / block->itemsize);
    if (load_int16(block)) {
        const int most = distance < 65536.0 ? (int)distance : 65536;
        for (; from < n; from++) {
            int d = int16_at(a, from) - int16_at(b, from);
            if (d > most || d < -most)
                break;
        }
        return from;
    }
    for (; from < n; from++) {
        double x = medroi_w3_element(block, a, from), y = medroi_w3_element(block, b, from);
        if (!(x - y <= distance && y - x <= distance))
            break;
    }
    return from;
}
