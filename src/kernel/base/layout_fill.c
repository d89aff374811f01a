/* Writing what lies around a box, alone or together with what is in it. */
#include "base/layout.h"

#include <string.h>

/* One background element as it stands in the array, repeated to fill a small block. */
typedef struct pattern {
    uint8_t bytes[64];
    size_t nbytes; /* 0: every byte is bytes[0] */
} pattern;

static pattern make_pattern(const medroi_layout *layout, uint64_t background) {
    pattern p = {{0}, 0};
    size_t size = layout->itemsize;
    int uniform = 1;
    if (size > 8) {
        return p;
    }
    for (size_t i = 0; i < sizeof p.bytes; i++) {
        size_t k = i % size;
        p.bytes[i] = (uint8_t)(background >> 8 * (layout->big_endian ? size - 1 - k : k));
        uniform &= p.bytes[i] == p.bytes[0];
    }
    p.nbytes = uniform ? 0 : sizeof p.bytes / size * size;
    return p;
}

static void fill(const pattern *p, uint8_t *dst, int64_t nbytes) {
    if (nbytes <= 0) {
        return;
    }
    if (p->nbytes == 0) {
        memset(dst, p->bytes[0], (size_t)nbytes);
        return;
    }
    for (; nbytes >= (int64_t)p->nbytes; dst += p->nbytes, nbytes -= (int64_t)p->nbytes) {
        memcpy(dst, p->bytes, p->nbytes);
    }
    memcpy(dst, p->bytes, (size_t)nbytes);
}

/* One walk over an array's memory from its start to its end. */
typedef struct writer {
    const medroi_layout *layout;
    const medroi_box *box;
    pattern background;
    int64_t strides[MEDROI_MAX_AXES];
    int32_t order[MEDROI_MAX_AXES];
    int32_t run_level; /* inside this level the box spans the array */
    uint8_t *at;       /* written up to here */
    const uint8_t *src;
} writer;

static writer make_writer(const medroi_layout *layout, const medroi_box *box, uint64_t background) {
    writer w = {.layout = layout, .box = box};
    w.background = make_pattern(layout, background);
    medroi_strides(layout, w.strides);
    medroi_memory_order(layout, w.order);
    for (int32_t level = 0; level < layout->ndim; level++) {
        int32_t axis = w.order[level];
        if (box->start[axis] > 0 || box->stop[axis] < layout->shape[axis]) {
            w.run_level = level;
        }
    }
    return w;
}

/* Fill up to each run of the box, and put the run in its place, or step over it without `src`. */
static void write_level(writer *w, int32_t level, uint8_t *dst) {
    int32_t axis = w->order[level];
    int64_t stride = w->strides[axis], start = w->box->start[axis], stop = w->box->stop[axis];
    if (level < w->run_level) {
        for (int64_t i = start; i < stop; i++) {
            write_level(w, level + 1, dst + i * stride);
        }
    } else if (start < stop) {
        size_t nbytes = (size_t)((stop - start) * stride);
        uint8_t *run = dst + start * stride;
        fill(&w->background, w->at, run - w->at);
        if (w->src) {
            memcpy(run, w->src, nbytes);
            w->src += nbytes;
        }
        w->at = run + nbytes;
    }
}

void medroi_fill_outside(const medroi_layout *layout, void *data, const medroi_box *box,
                         uint64_t background) {
    for (int32_t i = 0; i < layout->ndim; i++) {
        if (layout->shape[i] == 0) {
            return;
        }
    }
    writer w = make_writer(layout, box, background);
    w.at = data;
    write_level(&w, 0, data);
    fill(&w.background, w.at,
         (uint8_t *)data + layout->shape[w.order[0]] * w.strides[w.order[0]] - w.at);
}

void medroi_restore_slices(const medroi_layout *layout, void *data, const medroi_box *box,
                           uint64_t background, const void *src) {
    writer w = make_writer(layout, box, background);
    int32_t axis = w.order[0];
    w.at = (uint8_t *)data + box->start[axis] * w.strides[axis];
    w.src = src;
    write_level(&w, 0, data);
    fill(&w.background, w.at, (uint8_t *)data + box->stop[axis] * w.strides[axis] - w.at);
}
