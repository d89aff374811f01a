/* Prefix codes of bounded length (Huffman 1952).
 *
 * The two lightest trees are joined until one is left; a token's depth is the length of its code.
 * Where one becomes longer than 11 bits, counts are halved, rounding up, which makes them more
 * alike, and the tree is built again: simpler than the best code of bounded length (package-merge),
 * and rarely needed. Lengths alone are stored; codes follow from them (canonical, as in Deflate). A
 * reader looks up the next 11 bits in a table that has the token and the length of its code.
 */
#include "entropy/prefix_code.h"

#include <string.h>

#define TOKENS MEDROI_PREFIX_TOKENS
#define LONGEST MEDROI_PREFIX_LONGEST

/* A forest that becomes one tree: leaves are the first TOKENS nodes. */
typedef struct forest {
    uint64_t weight[2 * TOKENS];
    int16_t parent[2 * TOKENS]; /* -1: a root */
    int n;
} forest;

/* The lightest root but `other`; the first of several. */
static int lightest(const forest *f, int other) {
    int best = -1;
    for (int i = 0; i < f->n; i++)
        if (f->weight[i] > 0 && f->parent[i] < 0 && i != other &&
            (best < 0 || f->weight[i] < f->weight[best]))
            best = i;
    return best;
}

/* Huffman's lengths; returns the longest. */
static int build(const uint32_t *count, uint8_t *length) {
    forest f;
    f.n = TOKENS;
    for (int i = 0; i < 2 * TOKENS; i++) {
        f.weight[i] = i < TOKENS ? count[i] : 0;
        f.parent[i] = -1;
    }
    for (;;) {
        int a = lightest(&f, -1), b = lightest(&f, a);
        if (b < 0)
            break;
        f.weight[f.n] = f.weight[a] + f.weight[b];
        f.parent[a] = f.parent[b] = (int16_t)f.n;
        f.n++;
    }
    int longest = 0;
    for (int i = 0; i < TOKENS; i++) {
        int bits = 0;
        for (int at = i; f.parent[at] >= 0; at = f.parent[at])
            bits++;
        length[i] = (uint8_t)bits;
        longest = bits > longest ? bits : longest;
    }
    return longest;
}

/* Where codes get too long, counts are made more alike until they are short enough. */
void medroi_prefix_lengths(const uint32_t count[TOKENS], uint8_t length[TOKENS]) {
    uint32_t alike[TOKENS];
    int used = 0;
    for (int i = 0; i < TOKENS; i++)
        used += (alike[i] = count[i]) > 0;
    for (int i = 0; used < 2; i++)
        if (alike[i] == 0) {
            alike[i] = 1;
            used++;
        }
    while (build(alike, length) > LONGEST)
        for (int i = 0; i < TOKENS; i++)
            alike[i] = (alike[i] >> 1) + (alike[i] & 1);
}

/* First code of each length; returns the share of all codes that is taken, in 2^-LONGEST. */
static uint32_t first_codes(const uint8_t *length, uint32_t first[LONGEST + 1]) {
    uint32_t n[LONGEST + 1] = {0}, code = 0, taken = 0;
    for (int i = 0; i < TOKENS; i++)
        n[length[i]]++;
    n[0] = 0;
    for (int bits = 1; bits <= LONGEST; bits++) {
        code = (code + n[bits - 1]) << 1;
        first[bits] = code;
        taken += n[bits] << (LONGEST - bits);
    }
    return taken;
}

static uint16_t reversed(uint32_t code, int bits) {
    uint32_t back = 0;
    for (int i = 0; i < bits; i++)
        back |= (code >> i & 1) << (bits - 1 - i);
    return (uint16_t)back;
}

void medroi_prefix_codes(const uint8_t length[TOKENS], uint16_t code[TOKENS]) {
    uint32_t next[LONGEST + 1];
    first_codes(length, next);
    for (int i = 0; i < TOKENS; i++)
        code[i] = length[i] > 0 ? reversed(next[length[i]]++, length[i]) : 0;
}

int medroi_prefix_table(const uint8_t length[TOKENS], uint16_t entry[MEDROI_PREFIX_ENTRIES]) {
    uint32_t next[LONGEST + 1];
    if (first_codes(length, next) != MEDROI_PREFIX_ENTRIES)
        return 0;
    for (int i = 0; i < TOKENS; i++) {
        if (length[i] == 0)
            continue;
        for (uint32_t at = reversed(next[length[i]]++, length[i]); at < MEDROI_PREFIX_ENTRIES;
             at += 1u << length[i])
            entry[at] = (uint16_t)(i << 4 | length[i]);
    }
    return 1;
}
