/* snprintf and vsnprintf for the messages of the kernel: a tenth of the bytes of the C library's,
 * which brings arithmetic of 128-bit floats with it.
 *
 * Knows %s %c %d %u %x and %g with widths, precisions and lengths as far as the kernel uses them; a
 * %g has six significant digits at most, and no exponent below 10^15. A long has 32 bits here.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct text {
    char *at;
    size_t room, nbytes;
} text;

static void put(text *to, char c) {
    if (to->nbytes + 1 < to->room) {
        to->at[to->nbytes] = c;
    }
    to->nbytes++;
}

static void put_all(text *to, const char *from, size_t nbytes) {
    for (size_t i = 0; i < nbytes; i++) {
        put(to, from[i]);
    }
}

static void put_number(text *to, uint64_t number, unsigned base, int width, char fill) {
    char digits[20];
    int n = 0;
    do {
        digits[n++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    for (int i = n; i < width; i++) {
        put(to, fill);
    }
    while (n > 0) {
        put(to, digits[--n]);
    }
}

static void put_double(text *to, double number) {
    if (number != number) {
        put_all(to, "nan", 3);
        return;
    }
    if (number < 0) {
        put(to, '-');
        number = -number;
    }
    if (number > 1.7e308) {
        put_all(to, "inf", 3);
        return;
    }
    int exponent = 0;
    for (; number >= 1e15; number /= 10) {
        exponent++;
    }
    uint64_t whole = (uint64_t)number, scale = 100000;
    for (uint64_t left = whole; left >= 10 && scale > 1; left /= 10) {
        scale /= 10;
    }
    uint64_t part = (uint64_t)((number - (double)whole) * (double)scale + 0.5);
    whole += part / scale;
    part %= scale;
    put_number(to, whole, 10, 0, ' ');
    if (part > 0) {
        int n_digits = 0;
        for (uint64_t left = scale; left > 1; left /= 10) {
            n_digits++;
        }
        for (; part % 10 == 0; part /= 10) {
            n_digits--;
        }
        put(to, '.');
        put_number(to, part, 10, n_digits, '0');
    }
    if (exponent > 0) {
        put(to, 'e');
        put_number(to, (uint64_t)exponent, 10, 0, ' ');
    }
}

int vsnprintf(char *restrict at, size_t room, const char *restrict format, va_list given) {
    text to = {at, room, 0};
    for (const char *f = format; *f; f++) {
        if (*f != '%') {
            put(&to, *f);
            continue;
        }
        char fill = f[1] == '0' ? '0' : ' ';
        int width = 0, precision = -1, n_long = 0;
        for (f++; *f >= '0' && *f <= '9'; f++) {
            width = 10 * width + (*f - '0');
        }
        if (*f == '.') {
            precision = 0;
            if (f[1] == '*') {
                precision = va_arg(given, int);
                f++;
            }
            for (f++; *f >= '0' && *f <= '9'; f++) {
                precision = 10 * precision + (*f - '0');
            }
        }
        for (; *f == 'l' || *f == 'z'; f++) {
            n_long += *f == 'l';
        }
        if (*f == 'd') {
            int64_t number = n_long == 2 ? va_arg(given, long long) : va_arg(given, int);
            if (number < 0) {
                put(&to, '-');
            }
            put_number(&to, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 10, width, fill);
        } else if (*f == 'u' || *f == 'x') {
            uint64_t number =
                n_long == 2 ? va_arg(given, unsigned long long) : va_arg(given, unsigned);
            put_number(&to, number, *f == 'u' ? 10 : 16, width, fill);
        } else if (*f == 's') {
            const char *from = va_arg(given, const char *);
            const char *end = precision < 0 ? NULL : memchr(from, 0, (size_t)precision);
            size_t most = precision < 0 ? strlen(from) : (size_t)precision;
            put_all(&to, from, end ? (size_t)(end - from) : most);
        } else if (*f == 'c') {
            put(&to, (char)va_arg(given, int));
        } else if (*f == 'g' || *f == 'f') {
            put_double(&to, va_arg(given, double));
        } else {
            put(&to, *f);
        }
    }
    if (room > 0) {
        at[to.nbytes < room ? to.nbytes : room - 1] = 0;
    }
    return (int)to.nbytes;
}

int snprintf(char *restrict at, size_t room, const char *restrict format, ...) {
    va_list given;
    va_start(given, format);
    int nbytes = vsnprintf(at, room, format, given);
    va_end(given);
    return nbytes;
}
