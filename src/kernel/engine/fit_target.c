/* A target that has to be one for all chunks of a scan.
 *
 * A share of the noise is such a target: chunks that each estimate the noise of what they hold
 * reach different errors, and a chunk of little tissue estimates poorly. So the scan as a whole is
 * planned for, and all chunks are coded with the step that this finds. Of a large scan the middle
 * slices are enough.
 */
#include "codecs/inner.h"
#include "engine/engine.h"
#include "stream/stream.h"

#include <stdlib.h>
#include <string.h>

#define MOST_VOXELS ((int64_t)1 << 25)

static void *take_from_heap(void *user, size_t nbytes) {
    (void)user;
    return malloc(nbytes);
}

static void give_to_heap(void *user, void *memory) {
    (void)user;
    free(memory);
}

medroi_space medroi_space_or_heap(const medroi_space *space) {
    const medroi_space heap = {NULL, take_from_heap, give_to_heap};
    return space != NULL ? *space : heap;
}

/* The middle slices of a region, of at most so many voxels in all, but one at least. */
static medroi_box middle_of(const medroi_header *header) {
    medroi_box box = header->box;
    uint8_t axis = header->slice_axis;
    int64_t n = box.stop[axis] - box.start[axis], per_slice = 1;
    for (int32_t i = 0; i < header->layout.ndim; i++) {
        per_slice *= i == axis ? 1 : box.stop[i] - box.start[i];
    }
    int64_t kept = MOST_VOXELS / per_slice > 1 ? MOST_VOXELS / per_slice : 1;
    if (kept < n) {
        box.start[axis] += (n - kept) / 2;
        box.stop[axis] = box.start[axis] + kept;
    }
    return box;
}

int medroi_shares_target(const medroi_coder *coder) {
    const medroi_parameters *table = medroi_find_parameters(coder->id);
    return coder->native != NULL && coder->native->plan != NULL && table != NULL &&
           table->of_scan != 0 && coder->params[0] == table->of_scan;
}

medroi_status medroi_fit_target(const medroi_settings *settings, const medroi_coder *coder,
                                const medroi_layout *layout, const void *data,
                                const medroi_space *space, const medroi_parameter **target,
                                double *number, medroi_error *error) {
    const medroi_space memory = medroi_space_or_heap(space);
    medroi_settings asked = *settings;
    medroi_header header;
    double params[MEDROI_MAX_PARAMS];
    *target = NULL;
    if (!medroi_shares_target(coder)) {
        return MEDROI_OK;
    }
    asked.inner_id = coder->id;
    asked.is_lossy = (uint8_t)medroi_is_lossy(coder);
    asked.region.complete = 1;
    size_t nbytes = medroi_prepare_scratch_nbytes(&asked, layout);
    void *scratch = memory.take(memory.user, nbytes > 0 ? nbytes : 1);
    if (scratch == NULL) {
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for %zu bytes", nbytes);
    }
    medroi_status status = medroi_prepare_header(&asked, layout, data, scratch, &header, error);
    if (status == MEDROI_OK && !medroi_is_empty_box(layout, &header.box)) {
        const medroi_parameters *table = medroi_find_parameters(coder->id);
        medroi_box box = middle_of(&header);
        memcpy(params, coder->params, sizeof params);
        status = medroi_plan_box(&header, coder->native, &box, data, params, error);
        /* Where no target has this mode, the scan is kept exactly, and so are its chunks. */
        *target = medroi_find_target(table, params[0]);
        *number = params[table->planned];
    }
    memory.give(memory.user, scratch);
    return status;
}
