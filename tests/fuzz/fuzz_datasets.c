/* Datasets that are created, opened again, written and read through the filter's callbacks, with
 * parameters that belong to other datasets, or to none: whatever they say, HDF5 gets exactly a
 * chunk of its own or an error. The functions that take a libhdf5 are called here, and not the
 * plugin's callbacks, which look for the library that calls them: this one is made up. */
#include "chunk.h"
#include "fake_hdf5.h"
#include "local.h"
#include "mutate.h"
#include "open_datasets.h"
#include "words.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ARRAY_NBYTES ((size_t)16 << 20)

static void *allocate(size_t nbytes, bool clear) {
    (void)clear;
    return nbytes > MAX_ARRAY_NBYTES ? NULL : malloc(nbytes);
}

static int release(void *memory) {
    free(memory);
    return 0;
}

static void check_refusal(medroi_status status, const medroi_error *error) {
    fuzz_expect(status == MEDROI_OK || error->text[0] != '\0', "a refusal says why");
}

/* H5Dcreate; 1: HDF5 has the dataset now. */
static int create(fuzz_random *random, int number) {
    fake_dataset *made = &fake.datasets[number];
    medroi_error error = {MEDROI_OK, ""};
    medroi_status status;
    memset(made, 0, sizeof *made);
    made->layout = fuzz_chunk(random, 1 << 9);
    made->fill = (int)fuzz_below(random, 3);
    made->fill_byte = (uint8_t)fuzz_bits(random);
    made->n_words = fuzz_user_words(random, made->words);
    fake.is_creating = 1;
    status =
        medroi_h5_check_dataset(fake_api(), fake_creation_id(number), fake_type_id(number), &error);
    if (status == MEDROI_OK) {
        status =
            medroi_h5_set_local(fake_api(), fake_creation_id(number), fake_type_id(number), &error);
    }
    fake.is_creating = 0;
    check_refusal(status, &error);
    made->is_open = status == MEDROI_OK;
    return made->is_open;
}

static fuzz_stream encode(fuzz_random *random, const fake_dataset *made) {
    medroi_output out = {0};
    medroi_error error = {MEDROI_OK, ""};
    fuzz_stream stream = {NULL, 0};
    size_t nbytes = fuzz_layout_nbytes(&made->layout);
    uint8_t *data = fuzz_allocate(nbytes);
    medroi_status status;
    fuzz_fill(random, &made->layout, data);
    status = medroi_h5_encode(made->words, made->n_words, data, nbytes, &out, &error);
    check_refusal(status, &error);
    if (status == MEDROI_OK) {
        stream = fuzz_copy(out.data, out.nbytes);
    }
    free(out.data);
    free(data);
    return stream;
}

/* What HDF5 does with a chunk of this dataset: it reads all of its own chunk from the answer. */
static medroi_status read_chunk(const fake_dataset *from, const fuzz_stream *stream) {
    medroi_h5_memory out = {
        .allocate = allocate, .release = release, .admit = medroi_h5_admit, .owner = fake_api()};
    medroi_error error = {MEDROI_OK, ""};
    medroi_status status =
        medroi_h5_decode(from->words, from->n_words, stream->bytes, stream->nbytes, &out, &error);
    check_refusal(status, &error);
    if (status == MEDROI_OK) {
        fuzz_expect(out.nbytes == fuzz_layout_nbytes(&from->layout) && out.capacity == out.nbytes,
                    "HDF5 gets exactly one of its own chunks");
        free(out.data);
    } else {
        fuzz_expect(out.data == NULL, "a refusal leaves no memory behind");
    }
    return status;
}

/* Change what the file says of a dataset. */
static void lie(fuzz_random *random, fake_dataset *about) {
    const fake_dataset *other = &fake.datasets[fuzz_below(random, FAKE_DATASETS)];
    switch (fuzz_below(random, 6)) {
    case 0:
        memcpy(about->words, other->words, sizeof about->words);
        about->n_words = other->n_words;
        break;
    case 1: /* no local part */
        about->words[0] = 1;
        about->n_words = about->n_words < 12 ? about->n_words : 12;
        about->n_words = fuzz_below(random, 2) ? 1 : about->n_words;
        break;
    case 2:
        about->words[fuzz_below(random, MEDROI_MAX_WORDS)] ^= 1u << fuzz_below(random, 32);
        break;
    case 3:
        about->n_words = fuzz_below(random, MEDROI_MAX_WORDS + 1);
        break;
    case 4:
        about->position = 1;
        break;
    default:
        about->layout = fuzz_chunk(random, 1 << 9);
    }
}

static void iterate(fuzz_random *random) {
    fuzz_stream streams[FAKE_DATASETS] = {{NULL, 0}};
    uint64_t n_lies;
    fake_open_again();
    for (int i = 0; i < FAKE_DATASETS; i++) {
        if (create(random, i)) {
            streams[i] = encode(random, &fake.datasets[i]);
        }
    }
    for (int i = 0; i < FAKE_DATASETS; i++) {
        fuzz_expect(streams[i].bytes == NULL ||
                        read_chunk(&fake.datasets[i], &streams[i]) == MEDROI_OK,
                    "what was written can be read");
    }
    fake_open_again();
    for (n_lies = fuzz_below(random, 4); n_lies > 0; n_lies--) {
        lie(random, &fake.datasets[fuzz_below(random, FAKE_DATASETS)]);
    }
    for (int i = 0; i < FAKE_DATASETS; i++) {
        const fake_dataset *from = &fake.datasets[i];
        fuzz_stream *stream = &streams[fuzz_below(random, FAKE_DATASETS)];
        medroi_error error = {MEDROI_OK, ""};
        check_refusal(
            medroi_h5_check_dataset(fake_api(), fake_creation_id(i), fake_type_id(i), &error),
            &error);
        if (stream->bytes == NULL || !from->is_open) {
            continue;
        }
        for (uint64_t n = fuzz_below(random, 3); n > 0; n--) {
            fuzz_mutate(random, stream, stream);
        }
        if (fuzz_below(random, 4)) {
            fuzz_repair_checksums(stream);
        }
        (void)read_chunk(from, stream);
        fuzz_stream again = encode(random, from);
        fuzz_release(&again);
    }
    for (int i = 0; i < FAKE_DATASETS; i++) {
        fuzz_release(&streams[i]);
    }
}

FUZZ_MAIN("fuzz_datasets", iterate)
