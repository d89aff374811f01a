#include "report.h"

#include <string.h>

static _Thread_local char last_error[sizeof(((medroi_error *)0)->text)];

const char *medroi_h5_last_error(void) { return last_error; }

/* Since 1.14 the error stack is paused while a filter runs and what is pushed on it is lost: a new
 * stack that becomes the current one is not. */
void medroi_h5_report(const medroi_hdf5_api *hdf5, const char *function,
                      const medroi_error *error) {
    bool is_paused = false;
    medroi_hid stack = 0; /* H5E_DEFAULT */
    memcpy(last_error, error->text, sizeof last_error);
    last_error[sizeof last_error - 1] = '\0';
    if (hdf5 == NULL) {
        return;
    }
    if (hdf5->is_paused != NULL && hdf5->is_paused(0, &is_paused) >= 0 && is_paused) {
        stack = hdf5->create_stack();
        if (stack < 0) {
            return;
        }
    }
    (void)hdf5->push_error(stack, "medroi", function, 0, *hdf5->error_class, *hdf5->error_major,
                           *hdf5->error_minor, "medroi: %s", last_error);
    if (stack != 0) {
        (void)hdf5->set_current_stack(stack);
    }
}
