/* Chunks and cd_values, whole and broken, through the plugin's interface: no crash, no access out
 * of bounds, and never another number of bytes than the chunk has. */
#include "interface.h"
#include "mutate.h"
#include "random.h"
#include "words.h"

#include <stdlib.h>
#include <string.h>

const medroi_h5_interface *medroi_h5_get_interface(void);

/* One chunk of a dataset: its cd_values, with the local part, and its bytes. */
typedef struct chunk {
    unsigned words[FUZZ_MAX_WORDS];
    size_t n_words;
    uint8_t *data;
    size_t nbytes;
} chunk;

static chunk make_chunk(fuzz_random *random) {
    chunk made = {.data = NULL};
    medroi_layout layout = fuzz_chunk(random, 1 << 12);
    made.n_words = fuzz_add_chunk(made.words, fuzz_user_words(random, made.words), &layout);
    made.nbytes = fuzz_layout_nbytes(&layout);
    made.data = fuzz_allocate(made.nbytes);
    fuzz_fill(random, &layout, made.data);
    return made;
}

/* The chunk's stream, which has no bytes where the words are refused. */
static fuzz_stream encode(const chunk *made) {
    medroi_output out = {0};
    medroi_error error = {MEDROI_OK, ""};
    fuzz_stream stream = {NULL, 0};
    medroi_status status = medroi_h5_get_interface()->encode(made->words, made->n_words, made->data,
                                                             made->nbytes, &out, &error);
    fuzz_expect(status == MEDROI_OK || error.text[0] != '\0', "a refusal says why");
    if (status == MEDROI_OK) {
        stream = fuzz_copy(out.data, out.nbytes);
    }
    medroi_free(out.data);
    return stream;
}

static medroi_status decode(const unsigned *words, size_t n_words, const fuzz_stream *stream,
                            size_t nbytes) {
    medroi_error error = {MEDROI_OK, ""};
    uint8_t *data = fuzz_allocate(nbytes);
    medroi_status status = medroi_h5_get_interface()->decode(words, n_words, stream->bytes,
                                                             stream->nbytes, data, nbytes, &error);
    fuzz_expect(status == MEDROI_OK || error.text[0] != '\0', "a refusal says why");
    free(data);
    return status;
}

static void iterate(fuzz_random *random) {
    chunk made = make_chunk(random), other_made = make_chunk(random);
    fuzz_stream stream = encode(&made), other = encode(&other_made);
    if (stream.bytes != NULL) {
        fuzz_expect(decode(made.words, made.n_words, &stream, made.nbytes) == MEDROI_OK,
                    "what was encoded can be decoded");
        fuzz_expect(decode(made.words, made.n_words, &stream, made.nbytes + 1) != MEDROI_OK,
                    "a chunk has the size that cd_values say");
        for (uint64_t n = fuzz_below(random, 4); n > 0; n--) {
            fuzz_mutate(random, &stream, other.bytes != NULL ? &other : &stream);
        }
        if (fuzz_below(random, 4)) {
            fuzz_repair_checksums(&stream);
        }
        (void)decode(made.words, made.n_words, &stream, made.nbytes);
        (void)decode(other_made.words, other_made.n_words, &stream, other_made.nbytes);
        (void)decode(NULL, 0, &stream, made.nbytes);
        made.words[fuzz_below(random, made.n_words)] ^= 1u << fuzz_below(random, 32);
        (void)decode(made.words, fuzz_below(random, made.n_words + 1), &stream, made.nbytes);
    }
    fuzz_release(&other);
    fuzz_release(&stream);
    free(other_made.data);
    free(made.data);
}

FUZZ_MAIN("fuzz_hdf5", iterate)
