/* Streams, whole and broken, through the reader: no crash, no read or write out of bounds. */
#include "engine/engine.h"
#include "mutate.h"
#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARRAY_NBYTES ((size_t)64 << 20)
#define MAX_SEEDS 256

static fuzz_stream seeds[MAX_SEEDS];
static size_t n_seeds;

/* Inner codecs that the fuzzer can encode with; the streams of others come from files. */
static const struct {
    uint16_t id;
    double params[MEDROI_MAX_PARAMS];
    int is_lossy;
} codecs[] = {{0, {0}, 0},
              {1, {6, 1}, 0},
              {1, {0, 0}, 0},
              {2, {3, 1}, 0},
              {2, {-5, 0}, 0},
              {3, {0}, 0},
              {3, {1, 4}, 1},
              {3, {2, 45}, 1},
              {4, {1, 40}, 1},
              {4, {2, 6}, 1},
              {4, {3, 2, 1, 1, 1}, 1},
              {4, {3, 0}, 0},
              {4, {4, 0.5, 3, 0.8, 0.8}, 1},
              {5, {0}, 0},
              {5, {1}, 0}};

static void read_seed(const char *path) {
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = fuzz_allocate((size_t)1 << 20);
    fuzz_expect(file != NULL, "the seed files can be read");
    size_t nbytes = fread(bytes, 1, (size_t)1 << 20, file);
    fclose(file);
    seeds[n_seeds++] = fuzz_copy(bytes, nbytes);
    free(bytes);
}

static void choose_box(fuzz_random *random, medroi_header *header) {
    const medroi_layout *layout = &header->layout;
    int empty = fuzz_below(random, 20) == 0;
    for (int32_t i = 0; i < layout->ndim; i++) {
        empty = empty || layout->shape[i] == 0;
    }
    for (int32_t i = 0; i < layout->ndim && !empty; i++) {
        uint64_t size = (uint64_t)layout->shape[i];
        int of_volume = layout->axes >> i & 1;
        uint64_t start = of_volume ? fuzz_below(random, size) : 0;
        header->box.start[i] = (int64_t)start;
        header->box.stop[i] =
            (int64_t)(of_volume ? start + 1 + fuzz_below(random, size - start) : size);
    }
}

static medroi_header random_header(fuzz_random *random) {
    medroi_header header;
    memset(&header, 0, sizeof header);
    header.layout = fuzz_layout(random, 1 << 14);
    choose_box(random, &header);
    if (header.layout.itemsize <= 8 && header.layout.kind != 'b' && fuzz_below(random, 2)) {
        header.background = fuzz_bits(random) >> (64u - 8u * header.layout.itemsize);
    }
    header.affine[0] = header.affine[4] = header.affine[8] = 1.0f;
    header.slice_axis = (uint8_t)fuzz_below(random, (uint64_t)header.layout.ndim);
    return header;
}

/* Decode a stream that nobody touched: exactly what was encoded, background around it. */
static void check_round_trip(const medroi_header *written, const fuzz_stream *stream, int is_lossy,
                             uint8_t *data) {
    medroi_header header;
    size_t preamble_nbytes, nbytes = fuzz_layout_nbytes(&written->layout);
    medroi_status status =
        medroi_read_preamble(stream->bytes, stream->nbytes, &header, &preamble_nbytes, NULL);
    fuzz_expect(status == MEDROI_OK, "what was written can be read");
    uint8_t *decoded = fuzz_allocate(nbytes);
    void *scratch = fuzz_allocate(medroi_decode_scratch_nbytes(&header, 1));
    status =
        medroi_decode_stream(&header, stream->bytes + preamble_nbytes,
                             stream->nbytes - preamble_nbytes, NULL, 1, scratch, decoded, NULL);
    fuzz_expect(status == MEDROI_OK, "what was encoded can be decoded");
    medroi_fill_outside(&written->layout, data, &written->box, written->background);
    fuzz_expect(is_lossy || nbytes == 0 || memcmp(decoded, data, nbytes) == 0,
                "the region comes back exactly");
    free(scratch);
    free(decoded);
}

static fuzz_stream encode_something(fuzz_random *random) {
    medroi_error error = {MEDROI_OK, ""};
    fuzz_stream stream = {NULL, 0};
    medroi_header header = random_header(random);
    size_t choice = fuzz_below(random, sizeof codecs / sizeof codecs[0]);
    size_t capacity, scratch_nbytes, nbytes;
    header.inner_id = medroi_find_inner(codecs[choice].id) != NULL ? codecs[choice].id : 0;
    const double *params = codecs[choice].params;
    /* Of no more than one value, a float is kept by a bound of 0; of more, that is refused. */
    int is_lossy = codecs[choice].is_lossy;
    if (medroi_encode_bound(&header, params, 1, &capacity, &scratch_nbytes, &error) != MEDROI_OK) {
        fuzz_expect(error.text[0] != '\0', "a refusal says why");
        return stream;
    }
    uint8_t *data = fuzz_allocate(fuzz_layout_nbytes(&header.layout));
    fuzz_fill(random, &header.layout, data);
    void *scratch = fuzz_allocate(scratch_nbytes);
    uint8_t *dst = fuzz_allocate(capacity);
    if (medroi_encode_stream(&header, data, params, 1, scratch, dst, capacity, &nbytes, &error) ==
        MEDROI_OK) {
        stream = fuzz_copy(dst, nbytes);
        check_round_trip(&header, &stream, is_lossy, data);
    }
    free(dst);
    free(scratch);
    free(data);
    return stream;
}

static medroi_status read_all(const fuzz_stream *stream, medroi_error *error) {
    medroi_header header;
    size_t preamble_nbytes;
    medroi_status status =
        medroi_read_preamble(stream->bytes, stream->nbytes, &header, &preamble_nbytes, error);
    if (status != MEDROI_OK) {
        return status;
    }
    const uint8_t *payload = stream->bytes + preamble_nbytes;
    size_t payload_nbytes = stream->nbytes - preamble_nbytes;
    status = medroi_check_payload(&header, payload, payload_nbytes, error);
    size_t nbytes = fuzz_layout_nbytes(&header.layout);
    if (status != MEDROI_OK || nbytes > MAX_ARRAY_NBYTES) {
        return status;
    }
    const uint32_t n_threads = (uint32_t)(1 + nbytes % 3);
    size_t scratch_nbytes = medroi_decode_scratch_nbytes(&header, n_threads);
    fuzz_expect(scratch_nbytes <= 4 * MAX_ARRAY_NBYTES, "working space follows the array's size");
    uint8_t *data = fuzz_allocate(nbytes);
    void *scratch = fuzz_allocate(scratch_nbytes);
    status = medroi_decode_stream(&header, payload, payload_nbytes, NULL, n_threads, scratch, data,
                                  error);
    free(scratch);
    free(data);
    return status;
}

static fuzz_stream pick(fuzz_random *random) {
    if (n_seeds > 0 && fuzz_below(random, 2)) {
        const fuzz_stream *seed = &seeds[fuzz_below(random, n_seeds)];
        return fuzz_copy(seed->bytes, seed->nbytes);
    }
    return encode_something(random);
}

static void decode(fuzz_random *random) {
    medroi_error error = {MEDROI_OK, ""};
    fuzz_stream stream = pick(random), other = pick(random);
    for (uint64_t n = fuzz_below(random, 4); n > 0; n--) {
        fuzz_mutate(random, &stream, &other);
    }
    if (fuzz_below(random, 4)) {
        fuzz_repair_checksums(&stream);
    }
    if (read_all(&stream, &error) != MEDROI_OK) {
        fuzz_expect(error.text[0] != '\0', "a refusal says why");
    }
    fuzz_release(&other);
    fuzz_release(&stream);
}

#ifdef MEDROI_LIBFUZZER
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t nbytes, size_t capacity);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t nbytes, size_t capacity, unsigned seed);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* fuzz_decode --write FOLDER N: streams of what the fuzzer encodes, for another one to begin with.
 */
static int write_streams(const char *folder, uint64_t n) {
    char path[4096];
    for (uint64_t i = 0; i < n; i++) {
        fuzz_random random = fuzz_seeded(1, i);
        fuzz_stream stream = encode_something(&random);
        (void)snprintf(path, sizeof path, "%s/stream-%llu", folder, (unsigned long long)i);
        FILE *file = stream.nbytes > 0 ? fopen(path, "wb") : NULL;
        if (file != NULL) {
            (void)fwrite(stream.bytes, 1, stream.nbytes, file);
            fclose(file);
        }
        fuzz_release(&stream);
    }
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    if (*argc == 4 && strcmp((*argv)[1], "--write") == 0) {
        exit(write_streams((*argv)[2], strtoull((*argv)[3], NULL, 10)));
    }
    return 0;
}

/* Either a stream, or the random numbers with which one is made and broken. */
static int is_stream(const uint8_t *bytes, size_t nbytes) {
    return nbytes >= 4 && memcmp(bytes, "MROI", 4) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes) {
    medroi_error error = {MEDROI_OK, ""};
    if (!is_stream(bytes, nbytes)) {
        fuzz_random random = fuzz_given(bytes, nbytes);
        decode(&random);
        return 0;
    }
    fuzz_stream stream = fuzz_copy(bytes, nbytes); /* of just its size: behind it is no memory */
    if (read_all(&stream, &error) != MEDROI_OK) {
        fuzz_expect(error.text[0] != '\0', "a refusal says why");
    }
    fuzz_release(&stream);
    return 0;
}

/* Change the payload as libFuzzer does, or any of it as the other fuzzers do; then make the
 * checksums right, without which nothing would get past them. */
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t nbytes, size_t capacity, unsigned seed) {
    fuzz_random random = fuzz_seeded(seed, 0);
    size_t preamble_nbytes = 0;
    if (!is_stream(bytes, nbytes)) {
        return LLVMFuzzerMutate(bytes, nbytes, capacity);
    }
    (void)medroi_peek_preamble(bytes, nbytes, &preamble_nbytes, NULL);
    if (preamble_nbytes > 0 && preamble_nbytes < nbytes && fuzz_below(&random, 4)) {
        nbytes =
            preamble_nbytes + LLVMFuzzerMutate(bytes + preamble_nbytes, nbytes - preamble_nbytes,
                                               capacity - preamble_nbytes);
    }
    fuzz_stream stream = fuzz_copy(bytes, nbytes);
    if (fuzz_below(&random, 4) == 0) {
        fuzz_mutate(&random, &stream, &stream);
    }
    if (fuzz_below(&random, 16)) {
        fuzz_repair_checksums(&stream);
    }
    nbytes = stream.nbytes < capacity ? stream.nbytes : capacity;
    if (nbytes > 0) {
        memcpy(bytes, stream.bytes, nbytes);
    }
    fuzz_release(&stream);
    return nbytes;
}
#else
int main(int argc, char **argv) {
    for (int i = 4; i < argc && n_seeds < MAX_SEEDS; i++) {
        read_seed(argv[i]);
    }
    int status = fuzz_run(argc, argv, "fuzz_decode", decode);
    while (n_seeds > 0) {
        fuzz_release(&seeds[--n_seeds]);
    }
    return status;
}
#endif
