/* JSON (RFC 8259) as a view into its own text: the whole text is checked once, and values are then
 * read where they stand, without memory of their own. */
#ifndef MEDROI_JSON_H
#define MEDROI_JSON_H

#include "base/kernel.h"

/* One value: its text, without the space around it. */
typedef struct medroi_json {
    const char *start;
    const char *stop;
} medroi_json;

typedef enum medroi_json_kind {
    MEDROI_JSON_OBJECT,
    MEDROI_JSON_ARRAY,
    MEDROI_JSON_STRING,
    MEDROI_JSON_NUMBER,
    MEDROI_JSON_TRUE,
    MEDROI_JSON_FALSE,
    MEDROI_JSON_NULL
} medroi_json_kind;

/* A number as it was written: integers of 64 bits are exact. */
typedef struct medroi_number {
    double value;
    uint8_t is_rounded; /* written as an integer that `value` does not equal */
    uint8_t is_integer; /* and not -0.0: `magnitude` holds it */
    uint8_t is_negative;
    uint64_t magnitude;
} medroi_number;

/* Check a whole text, which is one value. */
medroi_status medroi_json_read(const char *text, medroi_json *value, medroi_error *error);
medroi_json_kind medroi_json_kind_of(const medroi_json *value);
/* The members of an object (`key` set) or an array, in turn: 0 at the end. Begin with `at` NULL. */
int medroi_json_next(const medroi_json *parent, const char **at, medroi_json *key,
                     medroi_json *value);
/* Whether a value is this string. */
int medroi_json_is(const medroi_json *value, const char *text);
/* A number, true, false, or one of the strings NaN, Infinity and -Infinity: 0 for anything else. */
int medroi_json_number(const medroi_json *value, medroi_number *number);

/* Text that grows; after a failure of memory it stays empty, and says so. */
typedef struct medroi_text {
    char *start;
    size_t nbytes;
    size_t capacity;
    int failed;
} medroi_text;

void medroi_text_add(medroi_text *text, const char *more, size_t nbytes);
void medroi_text_put(medroi_text *text, const char *more);
/* The shortest digits that give back the same number; NaN and infinities as strings. */
void medroi_text_number(medroi_text *text, double number);

#endif
