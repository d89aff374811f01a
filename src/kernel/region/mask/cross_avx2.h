/* Rows of bits eroded and dilated four words at a time; included by cross.c. */
#include <immintrin.h>

/* Four words of a row at a time, those beyond it as zeros. */
AVX2 static inline __m256i word_mask(int64_t n_left) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n_left), _mm256_setr_epi64x(0, 1, 2, 3));
}

AVX2 static inline __m256i load_words(const uint64_t *words, __m256i mask) {
    return _mm256_maskload_epi64((const long long *)(const void *)words, mask);
}

/* The first words of four; storing by a mask is slow on some processors. */
AVX2 static inline void store_words(uint64_t *words, int64_t n, __m256i v) {
    __m128i half = _mm256_castsi256_si128(v);
    if (n >= 4) {
        _mm256_storeu_si256((__m256i *)(void *)words, v);
        return;
    }
    if (n >= 2) {
        _mm_storeu_si128((__m128i *)(void *)words, half);
        half = _mm256_extracti128_si256(v, 1);
        words += 2;
    }
    if (n & 1) {
        _mm_storel_epi64((__m128i *)(void *)words, half);
    }
}

/* Each bit's neighbour before it; the lowest word's comes from the word `before`. */
AVX2 static inline __m256i bits_before(__m256i v, uint64_t before) {
    __m256i words = _mm256_permute4x64_epi64(v, 0x90);
    words = _mm256_blend_epi32(words, _mm256_set1_epi64x((long long)before), 0x03);
    return _mm256_or_si256(_mm256_slli_epi64(v, 1), _mm256_srli_epi64(words, 63));
}

AVX2 static inline __m256i bits_behind(__m256i v, uint64_t behind) {
    __m256i words = _mm256_permute4x64_epi64(v, 0xf9);
    words = _mm256_blend_epi32(words, _mm256_set1_epi64x((long long)behind), 0xc0);
    return _mm256_or_si256(_mm256_srli_epi64(v, 1), _mm256_slli_epi64(words, 63));
}

AVX2 static void erode_row_avx2(uint64_t *out, const neighbours *n, int64_t n_words,
                                uint64_t before, uint64_t tail) {
    for (int64_t i = 0; i < n_words; i += 4) {
        __m256i mask = word_mask(n_words - i);
        __m256i last =
            _mm256_cmpeq_epi64(_mm256_set1_epi64x(n_words - 1 - i), _mm256_setr_epi64x(0, 1, 2, 3));
        __m256i v = load_words(n->row + i, mask);
        __m256i low = bits_before(v, i > 0 ? n->row[i - 1] : before);
        __m256i high = bits_behind(v, i + 4 < n_words ? n->row[i + 4] : 0);
        high = _mm256_or_si256(high, _mm256_and_si256(last, _mm256_set1_epi64x((long long)tail)));
        __m256i along_z =
            _mm256_and_si256(load_words(n->before_z + i, mask), load_words(n->behind_z + i, mask));
        __m256i along_y =
            _mm256_and_si256(load_words(n->before_y + i, mask), load_words(n->behind_y + i, mask));
        v = _mm256_and_si256(v, _mm256_and_si256(low, high));
        store_words(out + i, n_words - i, _mm256_and_si256(v, _mm256_and_si256(along_z, along_y)));
    }
}

AVX2 static void dilate_row_avx2(uint64_t *out, const neighbours *n, int64_t n_words) {
    for (int64_t i = 0; i < n_words; i += 4) {
        __m256i mask = word_mask(n_words - i);
        __m256i v = load_words(n->row + i, mask);
        __m256i low = bits_before(v, i > 0 ? n->row[i - 1] : 0);
        __m256i high = bits_behind(v, i + 4 < n_words ? n->row[i + 4] : 0);
        __m256i along_z =
            _mm256_or_si256(load_words(n->before_z + i, mask), load_words(n->behind_z + i, mask));
        __m256i along_y =
            _mm256_or_si256(load_words(n->before_y + i, mask), load_words(n->behind_y + i, mask));
        v = _mm256_or_si256(v, _mm256_or_si256(low, high));
        store_words(out + i, n_words - i, _mm256_or_si256(v, _mm256_or_si256(along_z, along_y)));
    }
}

/* Store a row of at most four words. Words behind it are written too where `n_left` says that the
 * volume has them: their rows follow. */
AVX2 static inline void store_row(uint64_t *out, int64_t n_words, int64_t n_left, __m256i v) {
    if (n_left * n_words >= 4) {
        _mm256_storeu_si256((__m256i *)(void *)out, v);
    } else {
        store_words(out, n_words, v);
    }
}

/* Planes whose rows have at most four words: a row is loaded once for itself and for both of its
 * neighbours along y. */
AVX2 static void erode_plane_avx2(uint64_t *out, const plane_rows *planes, const medroi_bits *bits,
                                  int outside) {
    const int64_t n = bits->n_words;
    const __m256i mask = word_mask(n);
    const __m256i last =
        _mm256_cmpeq_epi64(_mm256_set1_epi64x(n - 1), _mm256_setr_epi64x(0, 1, 2, 3));
    const long long end = outside ? (long long)(UINT64_C(1) << ((bits->n_x - 1) & 63)) : 0;
    const __m256i tail = _mm256_and_si256(last, _mm256_set1_epi64x(end));
    const __m256i nothing = _mm256_setzero_si256();
    __m256i v = load_words(planes->rows, mask);
    __m256i before_y = outside || !planes->along_y ? v : nothing;
    for (int64_t y = 0; y < bits->n_y; y++) {
        int has_behind = y + 1 < bits->n_y;
        __m256i behind_y = has_behind ? load_words(planes->rows + (y + 1) * n, mask)
                           : outside  ? v
                                      : nothing;
        __m256i low = bits_before(v, outside ? UINT64_MAX : 0);
        __m256i high = _mm256_or_si256(bits_behind(v, 0), tail);
        __m256i along_z = _mm256_and_si256(load_words(planes->before_z + y * n, mask),
                                           load_words(planes->behind_z + y * n, mask));
        __m256i eroded =
            _mm256_and_si256(_mm256_and_si256(v, along_z), _mm256_and_si256(low, high));
        if (planes->along_y) {
            eroded = _mm256_and_si256(eroded, _mm256_and_si256(before_y, behind_y));
        }
        store_row(out + y * n, n, planes->n_left - y, eroded);
        before_y = v;
        v = behind_y;
    }
}

AVX2 static void dilate_plane_avx2(uint64_t *out, const plane_rows *planes,
                                   const medroi_bits *bits) {
    const int64_t n = bits->n_words;
    const __m256i mask = word_mask(n);
    const __m256i last =
        _mm256_cmpeq_epi64(_mm256_set1_epi64x(n - 1), _mm256_setr_epi64x(0, 1, 2, 3));
    const __m256i held = _mm256_set1_epi64x((long long)last_word_mask(bits));
    const __m256i keep =
        _mm256_and_si256(mask, _mm256_or_si256(held, _mm256_andnot_si256(last, mask)));
    __m256i v = load_words(planes->rows, mask);
    __m256i before_y = _mm256_setzero_si256();
    for (int64_t y = 0; y < bits->n_y; y++) {
        __m256i behind_y = y + 1 < bits->n_y ? load_words(planes->rows + (y + 1) * n, mask)
                                             : _mm256_setzero_si256();
        __m256i along_x = _mm256_or_si256(bits_before(v, 0), bits_behind(v, 0));
        __m256i along_z = _mm256_or_si256(load_words(planes->before_z + y * n, mask),
                                          load_words(planes->behind_z + y * n, mask));
        __m256i dilated = _mm256_or_si256(_mm256_or_si256(v, along_z), along_x);
        if (planes->along_y) {
            dilated = _mm256_or_si256(dilated, _mm256_or_si256(before_y, behind_y));
        }
        store_row(out + y * n, n, planes->n_left - y, _mm256_and_si256(dilated, keep));
        before_y = v;
        v = behind_y;
    }
}
