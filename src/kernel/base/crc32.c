/* CRC-32 (IEEE 802.3): carry-less multiplication where the processor has it, tables elsewhere.
 *
 * Folding after V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
 * Instruction", Intel, 2009; tables after M. Kounavis and F. Berry, "A Systematic Approach to
 * Building High Performance Software-based CRC Generators", 2005 (slicing).
 */
#include "base/bytes.h"
#include "base/kernel.h"

/* A CRC table is linear over GF(2): entry n is the sum of the entries of n's bits. Each row below
 * holds the entries 1, 2, 4 .. 128 of one slicing table; the preprocessor spans the other 248. */
#define BIT(n, b, v) ((((n) >> (b)) & 1u) * (v))
#define ENTRY(n, a, b, c, d, e, f, g, h)                                                           \
    (BIT(n, 0, a) ^ BIT(n, 1, b) ^ BIT(n, 2, c) ^ BIT(n, 3, d) ^ BIT(n, 4, e) ^ BIT(n, 5, f) ^     \
     BIT(n, 6, g) ^ BIT(n, 7, h))
#define FOUR(n, ...)                                                                               \
    ENTRY((n), __VA_ARGS__), ENTRY((n) + 1u, __VA_ARGS__), ENTRY((n) + 2u, __VA_ARGS__),           \
        ENTRY((n) + 3u, __VA_ARGS__)
#define SIXTEEN(n, ...)                                                                            \
    FOUR((n), __VA_ARGS__), FOUR((n) + 4u, __VA_ARGS__), FOUR((n) + 8u, __VA_ARGS__),              \
        FOUR((n) + 12u, __VA_ARGS__)
#define SIXTY_FOUR(n, ...)                                                                         \
    SIXTEEN((n), __VA_ARGS__), SIXTEEN((n) + 16u, __VA_ARGS__), SIXTEEN((n) + 32u, __VA_ARGS__),   \
        SIXTEEN((n) + 48u, __VA_ARGS__)
#define TABLE(...)                                                                                 \
    {                                                                                              \
        SIXTY_FOUR(0u, __VA_ARGS__), SIXTY_FOUR(64u, __VA_ARGS__), SIXTY_FOUR(128u, __VA_ARGS__),  \
            SIXTY_FOUR(192u, __VA_ARGS__)                                                          \
    }

#define ROW_0                                                                                      \
    0x77073096u, 0xee0e612cu, 0x076dc419u, 0x0edb8832u, 0x1db71064u, 0x3b6e20c8u, 0x76dc4190u,     \
        0xedb88320u
#define ROW_1                                                                                      \
    0x191b3141u, 0x32366282u, 0x646cc504u, 0xc8d98a08u, 0x4ac21251u, 0x958424a2u, 0xf0794f05u,     \
        0x3b83984bu
#define ROW_2                                                                                      \
    0x01c26a37u, 0x0384d46eu, 0x0709a8dcu, 0x0e1351b8u, 0x1c26a370u, 0x384d46e0u, 0x709a8dc0u,     \
        0xe1351b80u
#define ROW_3                                                                                      \
    0xb8bc6765u, 0xaa09c88bu, 0x8f629757u, 0xc5b428efu, 0x5019579fu, 0xa032af3eu, 0x9b14583du,     \
        0xed59b63bu
#define ROW_4                                                                                      \
    0x3d6029b0u, 0x7ac05360u, 0xf580a6c0u, 0x30704bc1u, 0x60e09782u, 0xc1c12f04u, 0x58f35849u,     \
        0xb1e6b092u
#define ROW_5                                                                                      \
    0xcb5cd3a5u, 0x4dc8a10bu, 0x9b914216u, 0xec53826du, 0x03d6029bu, 0x07ac0536u, 0x0f580a6cu,     \
        0x1eb014d8u
#define ROW_6                                                                                      \
    0xa6770bb4u, 0x979f1129u, 0xf44f2413u, 0x33ef4e67u, 0x67de9cceu, 0xcfbd399cu, 0x440b7579u,     \
        0x8816eaf2u
#define ROW_7                                                                                      \
    0xccaa009eu, 0x4225077du, 0x844a0efau, 0xd3e51bb5u, 0x7cbb312bu, 0xf9766256u, 0x299dc2edu,     \
        0x533b85dau

#if defined(__wasm__)
/* Tables are no text that compresses: a module that travels makes them, before its first CRC. */
static uint32_t slices[8][256];

static void make_slices(void) {
    static const uint32_t rows[8][8] = {{ROW_0}, {ROW_1}, {ROW_2}, {ROW_3},
                                        {ROW_4}, {ROW_5}, {ROW_6}, {ROW_7}};
    for (int k = 0; k < 8; k++) {
        for (unsigned n = 1; n < 256; n++) {
            slices[k][n] = slices[k][n & (n - 1)] ^ rows[k][__builtin_ctz(n)];
        }
    }
}
#else
static const uint32_t slices[8][256] = {TABLE(ROW_0), TABLE(ROW_1), TABLE(ROW_2), TABLE(ROW_3),
                                        TABLE(ROW_4), TABLE(ROW_5), TABLE(ROW_6), TABLE(ROW_7)};
#endif

static uint32_t crc_tables(uint32_t state, const uint8_t *p, size_t n) {
    for (; n >= 8; p += 8, n -= 8) {
        uint32_t low = state ^ medroi_load32(p), high = medroi_load32(p + 4);
        state = slices[7][low & 255] ^ slices[6][low >> 8 & 255] ^ slices[5][low >> 16 & 255] ^
                slices[4][low >> 24] ^ slices[3][high & 255] ^ slices[2][high >> 8 & 255] ^
                slices[1][high >> 16 & 255] ^ slices[0][high >> 24];
    }
    for (; n > 0; p++, n--) {
        state = state >> 8 ^ slices[0][(state ^ *p) & 255];
    }
    return state;
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define HAVE_CLMUL 1

__attribute__((target("pclmul,sse4.1"))) static __m128i fold(__m128i x, __m128i k, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(x, k, 0x00), high = _mm_clmulepi64_si128(x, k, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

__attribute__((target("pclmul,sse4.1"))) static __m128i load(const uint8_t *p) {
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* Processors that multiply two pairs at once fold 128 bytes in a step. What is left of the first
 * n / 128 * 128 bytes is four vectors, as after that many steps of 64. n is at least 128. */
#define WIDE __attribute__((target("vpclmulqdq,avx2,pclmul,sse4.1")))
#define HAS_WIDE (__builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx2"))
#define WIDE_STEP 128

WIDE static inline __m256i load_pair(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

WIDE static inline __m256i fold_pair(__m256i x, __m256i k, __m256i next) {
    __m256i low = _mm256_clmulepi64_epi128(x, k, 0x00), high = _mm256_clmulepi64_epi128(x, k, 0x11);
    return _mm256_xor_si256(_mm256_xor_si256(low, high), next);
}

WIDE static void fold_wide(uint32_t state, const uint8_t *p, size_t n, __m128i by_512,
                           __m128i left[4]) {
    const __m256i by_1024 = _mm256_broadcastsi128_si256(_mm_set_epi64x(0x014a7fe880, 0x01e88ef372));
    __m256i pairs[4];
    pairs[0] = _mm256_xor_si256(load_pair(p), _mm256_set_epi32(0, 0, 0, 0, 0, 0, 0, (int)state));
    for (size_t i = 1; i < 4; i++) {
        pairs[i] = load_pair(p + 32 * i);
    }
    for (p += WIDE_STEP, n -= WIDE_STEP; n >= WIDE_STEP; p += WIDE_STEP, n -= WIDE_STEP) {
        for (size_t i = 0; i < 4; i++) {
            pairs[i] = fold_pair(pairs[i], by_1024, load_pair(p + 32 * i));
        }
    }
    for (size_t i = 0; i < 2; i++) {
        left[2 * i] =
            fold(_mm256_castsi256_si128(pairs[i]), by_512, _mm256_castsi256_si128(pairs[i + 2]));
        left[2 * i + 1] = fold(_mm256_extracti128_si256(pairs[i], 1), by_512,
                               _mm256_extracti128_si256(pairs[i + 2], 1));
    }
}

/* n is at least 64 and a multiple of 16. The constants are x^(512+64), x^512, x^(128+64), x^128,
 * x^64 mod P, then P and floor(x^64 / P), all bit-reflected. */
__attribute__((target("pclmul,sse4.1"))) static uint32_t crc_clmul(uint32_t state, const uint8_t *p,
                                                                   size_t n) {
    const __m128i by_512 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    const __m128i by_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    const __m128i by_64 = _mm_set_epi64x(0, 0x0163cd6124);
    const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    const __m128i low_32 = _mm_setr_epi32(-1, 0, -1, 0);
    __m128i a, b, c, d;

    if (n >= WIDE_STEP && HAS_WIDE) {
        __m128i left[4];
        fold_wide(state, p, n, by_512, left);
        a = left[0], b = left[1], c = left[2], d = left[3];
        p += n / WIDE_STEP * WIDE_STEP;
        n %= WIDE_STEP;
    } else {
        a = _mm_xor_si128(load(p), _mm_cvtsi32_si128((int)state));
        b = load(p + 16), c = load(p + 32), d = load(p + 48);
        p += 64;
        n -= 64;
    }
    for (; n >= 64; p += 64, n -= 64) {
        a = fold(a, by_512, load(p));
        b = fold(b, by_512, load(p + 16));
        c = fold(c, by_512, load(p + 32));
        d = fold(d, by_512, load(p + 48));
    }
    a = fold(fold(fold(a, by_128, b), by_128, c), by_128, d);
    for (; n >= 16; p += 16, n -= 16) {
        a = fold(a, by_128, load(p));
    }
    a = _mm_xor_si128(_mm_srli_si128(a, 8), _mm_clmulepi64_si128(a, by_128, 0x10));
    a = _mm_xor_si128(_mm_srli_si128(a, 4),
                      _mm_clmulepi64_si128(_mm_and_si128(a, low_32), by_64, 0x00));
    b = _mm_clmulepi64_si128(_mm_and_si128(a, low_32), barrett, 0x10);
    b = _mm_clmulepi64_si128(_mm_and_si128(b, low_32), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(a, b), 1);
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

uint32_t medroi_crc32(uint32_t crc, const void *data, size_t nbytes) {
    const uint8_t *p = data;
    uint32_t state = ~crc;
#if defined(__wasm__)
    if (slices[0][1] == 0) {
        make_slices();
    }
#endif
#if defined(HAVE_CLMUL)
    if (nbytes >= 64 && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")) {
        size_t folded = nbytes & ~(size_t)15;
        state = crc_clmul(state, p, folded);
        p += folded;
        nbytes -= folded;
    }
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
    for (; nbytes >= 8; p += 8, nbytes -= 8) {
        state = __crc32d(state, medroi_load64(p));
    }
#endif
    return ~crc_tables(state, p, nbytes);
}
