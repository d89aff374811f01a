/* Streams that almost are what they say. */
#ifndef MEDROI_FUZZ_MUTATE_H
#define MEDROI_FUZZ_MUTATE_H

#include "random.h"

typedef struct fuzz_stream {
    uint8_t *bytes; /* owned, of exactly nbytes */
    size_t nbytes;
} fuzz_stream;

/* Bytes before the payload, or 0 where the stream ends before that. */
size_t fuzz_preamble_nbytes(const uint8_t *bytes, size_t nbytes);

fuzz_stream fuzz_copy(const uint8_t *bytes, size_t nbytes);
void fuzz_release(fuzz_stream *stream);

/* Change a stream in one of the ways that bytes go wrong, or that an attacker would choose. */
void fuzz_mutate(fuzz_random *random, fuzz_stream *stream, const fuzz_stream *other);
/* Make every checksum right again, so that the lie behind it is what a reader meets. */
void fuzz_repair_checksums(fuzz_stream *stream);

#endif
