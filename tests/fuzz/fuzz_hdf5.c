/* Chunks and cd_values, whole and broken, through the HDF5 filter's own code: no crash, no access
 * out of bounds, and never another number of bytes than the chunk has. */
#include "chunk.h"
#include "fake_hdf5.h"
#include "mutate.h"
#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARRAY_NBYTES ((size_t)64 << 20)

/* One chunk of a dataset: its cd_values, with the local part, and its bytes. */
typedef struct chunk {
    unsigned words[MEDROI_MAX_WORDS];
    size_t n_words;
    medroi_layout layout;
    uint8_t *data;
    size_t nbytes;
} chunk;

static void *allocate(size_t nbytes, bool clear) {
    (void)clear;
    return nbytes > MAX_ARRAY_NBYTES ? NULL : malloc(nbytes);
}

static int release(void *memory) {
    free(memory);
    return 0;
}

static void check_refusal(medroi_status status, const medroi_h5_memory *out,
                          const medroi_error *error) {
    if (status != MEDROI_OK) {
        fuzz_expect(error->text[0] != '\0', "a refusal says why");
        fuzz_expect(out->data == NULL, "a refusal leaves no memory behind");
    }
}

static int make_chunk(fuzz_random *random, chunk *made) {
    medroi_cd_values config;
    medroi_error error = {MEDROI_OK, ""};
    unsigned user[MEDROI_MAX_WORDS] = {0};
    size_t n_user = fake_user_words(random, user);
    memset(made, 0, sizeof *made);
    do {
        made->layout = fuzz_layout(random, 1 << 12);
        made->layout.f_order = 0;
    } while (made->layout.ndim > MEDROI_MAX_CHUNK_AXES || fuzz_layout_nbytes(&made->layout) == 0 ||
             strchr("biufSVc", made->layout.kind) == NULL);
    if (medroi_cd_read(user, n_user, &config, &error) != MEDROI_OK ||
        medroi_cd_resolve(&config, &made->layout, &error) != MEDROI_OK ||
        medroi_h5_check_inner(&config, &made->layout, &error) != MEDROI_OK ||
        medroi_cd_add_chunk(&config, user, &made->layout, made->words, &made->n_words, &error) !=
            MEDROI_OK) {
        fuzz_expect(error.text[0] != '\0', "a refusal says why");
        return 0;
    }
    made->nbytes = fuzz_layout_nbytes(&made->layout);
    made->data = fuzz_allocate(made->nbytes);
    fuzz_fill(random, &made->layout, made->data);
    return 1;
}

static fuzz_stream encode(const chunk *made) {
    medroi_output out = {0};
    medroi_error error = {MEDROI_OK, ""};
    fuzz_stream stream = {NULL, 0};
    medroi_status status =
        medroi_h5_encode(made->words, made->n_words, made->data, made->nbytes, &out, &error);
    fuzz_expect(status == MEDROI_OK || error.text[0] != '\0', "a refusal says why");
    if (status == MEDROI_OK) {
        stream = fuzz_copy(out.data, out.nbytes);
    }
    free(out.data);
    return stream;
}

/* With `is_whole`, nobody touched the stream. */
static void decode(const chunk *made, const fuzz_stream *stream, int is_whole) {
    medroi_h5_memory out = {.allocate = allocate, .release = release};
    medroi_error error = {MEDROI_OK, ""};
    medroi_status status =
        medroi_h5_decode(made->words, made->n_words, stream->bytes, stream->nbytes, &out, &error);
    check_refusal(status, &out, &error);
    fuzz_expect(!is_whole || status == MEDROI_OK, "what was encoded can be decoded");
    if (status == MEDROI_OK) {
        fuzz_expect(made->n_words == 0 || out.nbytes == made->nbytes,
                    "a chunk has the size that cd_values say");
        free(out.data);
    }
}

static void iterate(fuzz_random *random) {
    chunk made, other_made;
    fuzz_stream stream = {NULL, 0}, other = {NULL, 0};
    if (!make_chunk(random, &made)) {
        return;
    }
    stream = encode(&made);
    if (stream.bytes == NULL) {
        free(made.data);
        return;
    }
    decode(&made, &stream, 1);
    other_made = made;
    if (fuzz_below(random, 2)) {
        free(other_made.data);
        if (!make_chunk(random, &other_made)) {
            fuzz_release(&stream);
            return;
        }
    }
    other = encode(&other_made);
    made = other_made;
    for (uint64_t n = fuzz_below(random, 4); n > 0; n--) {
        fuzz_mutate(random, &stream, other.bytes != NULL ? &other : &stream);
    }
    if (fuzz_below(random, 4)) {
        fuzz_repair_checksums(&stream);
    }
    if (fuzz_below(random, 4) == 0) {
        made.n_words = 0;
    }
    decode(&made, &stream, 0);
    if (made.n_words > 0) {
        made.words[fuzz_below(random, made.n_words)] ^= 1u << fuzz_below(random, 32);
        made.nbytes = SIZE_MAX; /* the words say nothing reliable any more */
        made.n_words = fuzz_below(random, made.n_words + 1);
        medroi_h5_memory out = {.allocate = allocate, .release = release};
        medroi_error error = {MEDROI_OK, ""};
        medroi_status status =
            medroi_h5_decode(made.words, made.n_words, stream.bytes, stream.nbytes, &out, &error);
        check_refusal(status, &out, &error);
        free(out.data);
    }
    fuzz_release(&other);
    fuzz_release(&stream);
    free(made.data);
}

FUZZ_MAIN("fuzz_hdf5", iterate)
