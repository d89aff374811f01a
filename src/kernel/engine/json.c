/* One pass checks the text against the grammar of RFC 8259, to a depth of 16. Everything else walks
 * over text that is known to be well-formed. */
#include "engine/json.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 16
#define MAX_NUMBER_NBYTES 400

static const char *skip_space(const char *p) {
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') {
        p++;
    }
    return p;
}

/* The end of the string that begins at `p`, or NULL. */
static const char *skip_string(const char *p) {
    for (p++; *p != '"'; p++) {
        if ((unsigned char)*p < 0x20) {
            return NULL;
        }
        if (*p == '\\') {
            p++;
            if (*p == 'u') {
                for (int i = 0; i < 4; i++) {
                    if (!isxdigit((unsigned char)*++p)) {
                        return NULL;
                    }
                }
            } else if (*p == '\0' || strchr("\"\\/bfnrt", *p) == NULL) {
                return NULL;
            }
        }
    }
    return p + 1;
}

static const char *skip_digits(const char *p) {
    const char *start = p;
    while (*p >= '0' && *p <= '9') {
        p++;
    }
    return p > start ? p : NULL;
}

static const char *skip_number(const char *p) {
    p += *p == '-';
    p = *p == '0' ? p + 1 : skip_digits(p);
    if (p != NULL && *p == '.') {
        p = skip_digits(p + 1);
    }
    if (p != NULL && (*p == 'e' || *p == 'E')) {
        p++;
        p += *p == '+' || *p == '-';
        p = skip_digits(p);
    }
    return p;
}

static const char *skip_word(const char *p, const char *word) {
    size_t n = strlen(word);
    return strncmp(p, word, n) == 0 ? p + n : NULL;
}

static const char *skip_value(const char *p, int depth);

static const char *skip_members(const char *p, int depth, char close) {
    p = skip_space(p + 1);
    if (*p == close) {
        return p + 1;
    }
    for (;;) {
        if (close == '}') {
            p = *p == '"' ? skip_string(p) : NULL;
            p = p != NULL ? skip_space(p) : NULL;
            if (p == NULL || *p != ':') {
                return NULL;
            }
            p = skip_space(p + 1);
        }
        p = skip_value(p, depth + 1);
        if (p == NULL) {
            return NULL;
        }
        p = skip_space(p);
        if (*p == close) {
            return p + 1;
        }
        if (*p != ',') {
            return NULL;
        }
        p = skip_space(p + 1);
    }
}

static const char *skip_value(const char *p, int depth) {
    if (depth > MAX_DEPTH) {
        return NULL;
    }
    switch (*p) {
    case '{':
        return skip_members(p, depth, '}');
    case '[':
        return skip_members(p, depth, ']');
    case '"':
        return skip_string(p);
    case 't':
        return skip_word(p, "true");
    case 'f':
        return skip_word(p, "false");
    case 'n':
        return skip_word(p, "null");
    default:
        return skip_number(p);
    }
}

medroi_status medroi_json_read(const char *text, medroi_json *value, medroi_error *error) {
    value->start = skip_space(text);
    value->stop = skip_value(value->start, 0);
    if (value->stop == NULL || *skip_space(value->stop) != '\0') {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT, "a configuration is no JSON: %.80s",
                           text);
    }
    return MEDROI_OK;
}

medroi_json_kind medroi_json_kind_of(const medroi_json *value) {
    switch (*value->start) {
    case '{':
        return MEDROI_JSON_OBJECT;
    case '[':
        return MEDROI_JSON_ARRAY;
    case '"':
        return MEDROI_JSON_STRING;
    case 't':
        return MEDROI_JSON_TRUE;
    case 'f':
        return MEDROI_JSON_FALSE;
    case 'n':
        return MEDROI_JSON_NULL;
    default:
        return MEDROI_JSON_NUMBER;
    }
}

int medroi_json_next(const medroi_json *parent, const char **at, medroi_json *key,
                     medroi_json *value) {
    const char *p = skip_space(*at == NULL ? parent->start + 1 : *at);
    if (*p == ',') {
        p = skip_space(p + 1);
    }
    if (*p == '}' || *p == ']') {
        return 0;
    }
    if (*parent->start == '{') {
        key->start = p;
        key->stop = skip_string(p);
        p = skip_space(skip_space(key->stop) + 1);
    }
    value->start = p;
    value->stop = skip_value(p, 0);
    *at = value->stop;
    return 1;
}

int medroi_json_is(const medroi_json *value, const char *text) {
    size_t n = strlen(text);
    return *value->start == '"' && (size_t)(value->stop - value->start) == n + 2 &&
           memcmp(value->start + 1, text, n) == 0;
}

/* strtod reads the decimal point of the program's locale. */
static double to_double(const char *start, size_t nbytes) {
    char copy[MAX_NUMBER_NBYTES + 1];
    char point = localeconv()->decimal_point[0];
    for (size_t i = 0; i < nbytes; i++) {
        copy[i] = start[i] == '.' ? point : start[i];
    }
    copy[nbytes] = '\0';
    return strtod(copy, NULL);
}

static medroi_number number_of(double value) {
    medroi_number number = {.value = value, .is_negative = signbit(value) != 0};
    double size = fabs(value);
    if (size < 0x1p64 && size == floor(size) && !(size == 0 && number.is_negative)) {
        number.is_integer = 1;
        number.magnitude = (uint64_t)size;
    }
    return number;
}

/* Whether digits, where there is nothing else, are an integer that a double does not equal. */
static int rounds(double value, const char *digits, const char *end) {
    char whole[MAX_NUMBER_NBYTES];
    size_t n_digits = (size_t)(end - digits);
    if (strspn(digits, "0123456789") != n_digits) {
        return 0;
    }
    size_t n = (size_t)snprintf(whole, sizeof whole, "%.0f", fabs(value));
    return n != n_digits || memcmp(whole, digits, n) != 0;
}

int medroi_json_number(const medroi_json *value, medroi_number *number) {
    static const struct {
        const char *name;
        double value;
    } named[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
    size_t nbytes = (size_t)(value->stop - value->start);
    medroi_json_kind kind = medroi_json_kind_of(value);
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        if (medroi_json_is(value, named[i].name)) {
            *number = number_of(named[i].value);
            return 1;
        }
    }
    if (kind == MEDROI_JSON_TRUE || kind == MEDROI_JSON_FALSE) {
        *number = number_of(kind == MEDROI_JSON_TRUE);
        return 1;
    }
    if (kind != MEDROI_JSON_NUMBER || nbytes > MAX_NUMBER_NBYTES) {
        return 0;
    }
    *number = number_of(to_double(value->start, nbytes));
    if (isinf(number->value)) {
        return 0; /* no double comes near it */
    }
    /* Integers beyond 53 bits, exactly. */
    int is_negative = *value->start == '-';
    uint64_t magnitude = 0;
    const char *p = value->start + is_negative;
    number->is_rounded = (uint8_t)rounds(number->value, p, value->stop);
    for (; p < value->stop && *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (magnitude > (UINT64_MAX - digit) / 10) {
            return 1;
        }
        magnitude = magnitude * 10 + digit;
    }
    if (p == value->stop && !(is_negative && magnitude == 0)) {
        number->is_integer = 1;
        number->is_negative = (uint8_t)is_negative;
        number->magnitude = magnitude;
    } else if (p == value->stop) {
        *number = number_of(0); /* -0 is an integer; -0.0 is not */
    }
    return 1;
}
