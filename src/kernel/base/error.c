/* Messages for people, formatted into the caller's medroi_error. */
#include "base/kernel.h"

#include <stdarg.h>
#include <stdio.h>

medroi_status medroi_fail(medroi_error *error, medroi_status status, const char *format, ...) {
    if (error != NULL) {
        va_list args;
        va_start(args, format);
        error->status = status;
        (void)vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
    }
    return status;
}
