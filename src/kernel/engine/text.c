/* Text that is put together piece by piece. */
#include "engine/json.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void medroi_text_add(medroi_text *text, const char *more, size_t nbytes) {
    if (text->failed) {
        return;
    }
    if (text->nbytes + nbytes + 1 > text->capacity) {
        size_t capacity = 2 * (text->nbytes + nbytes + 1);
        char *start = realloc(text->start, capacity);
        if (start == NULL) {
            text->failed = 1;
            return;
        }
        text->start = start;
        text->capacity = capacity;
    }
    memcpy(text->start + text->nbytes, more, nbytes);
    text->nbytes += nbytes;
    text->start[text->nbytes] = '\0';
}

void medroi_text_put(medroi_text *text, const char *more) {
    medroi_text_add(text, more, strlen(more));
}

void medroi_text_number(medroi_text *text, double number) {
    char digits[40];
    if (isnan(number)) {
        medroi_text_put(text, "\"NaN\"");
        return;
    }
    if (isinf(number)) {
        medroi_text_put(text, number < 0 ? "\"-Infinity\"" : "\"Infinity\"");
        return;
    }
    for (int precision = 1; precision <= 17; precision++) {
        (void)snprintf(digits, sizeof digits, "%.*g", precision, number);
        if (strtod(digits, NULL) == number) {
            break;
        }
    }
    char *point = strchr(digits, localeconv()->decimal_point[0]);
    if (point != NULL) {
        *point = '.';
    } else if (number == 0 && signbit(number)) {
        (void)snprintf(digits, sizeof digits, "-0.0");
    }
    medroi_text_put(text, digits);
}
