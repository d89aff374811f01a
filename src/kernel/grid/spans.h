/* Spans of voxels along one axis, grown. */
#ifndef MEDROI_SPANS_H
#define MEDROI_SPANS_H

#include "grid/rows.h"

/* Grow a span, which may be empty, to hold another that is not. */
static inline void medroi_span_include(medroi_span *span, int64_t start, int64_t stop) {
    if (span->start == span->stop) {
        span->start = start;
        span->stop = stop;
    }
    span->start = start < span->start ? start : span->start;
    span->stop = stop > span->stop ? stop : span->stop;
}

/* Grow a box, which may be empty, to hold another that is not. */
static inline void medroi_grid_box_include(medroi_grid_box *box, const medroi_grid_box *other) {
    medroi_span_include(&box->z, other->z.start, other->z.stop);
    medroi_span_include(&box->y, other->y.start, other->y.stop);
    medroi_span_include(&box->x, other->x.start, other->x.stop);
}

/* Add a margin on both sides, inside an axis of length n. */
static inline medroi_span medroi_span_widen(medroi_span span, int64_t n, int64_t margin) {
    span.start = span.start > margin ? span.start - margin : 0;
    span.stop = n - span.stop > margin ? span.stop + margin : n;
    return span;
}

#endif
