/* Neighbours of the local method: discs of rows and columns in the slice and in those before it. */
#include "codecs/predict3d/local.h"

/* Squares of the radii in the slice, in the slice before, in the second reference slice and in
 * those beside it, in quarters of a voxel; -1 for none. */
static const int radii[][4] = {{16, 9, 4, -1}, {36, 9, 4, -1}, {64, 16, 4, 0}};

static int add_disc(local_tap *taps, int n, int64_t dz, int radius, int half) {
    for (int dy = -4; dy <= 4; dy++) {
        for (int dx = -4; dx <= 4; dx++) {
            int known = !half || dy < 0 || (dy == 0 && dx < -1);
            if (known && 4 * (dy * dy + dx * dx) <= radius) {
                taps[n++] = (local_tap){(int)dz, dy, dx, 0};
            }
        }
    }
    return n;
}

int medroi_p3_local_taps(const medroi_p3_volume *v, int set, local_tap taps[LOCAL_TAPS]) {
    if (set < 0 || set >= (int)(sizeof radii / sizeof radii[0])) {
        return 0;
    }
    const int *r = radii[set];
    int n = 0;
    taps[n++] = (local_tap){0, 0, -1, 0};
    n = add_disc(taps, n, 0, r[0], 1);
    if (v->depth > 1) {
        n = add_disc(taps, n, -1, r[1], 0);
    }
    if (v->depth > v->lag) {
        n = add_disc(taps, n, -v->lag, r[2], 0);
    }
    if (v->lag == 2 && v->depth > 3) {
        n = add_disc(taps, n, -3, r[3], 0);
    }
    if (v->lag > 2 && v->depth > v->lag) {
        static const int places[5][2] = {{0, 0}, {0, -1}, {-1, 0}, {0, 1}, {1, 0}};
        for (int i = 0; i < 5; i++) {
            taps[n++] = (local_tap){(int)-v->lag, places[i][0], places[i][1], 1};
        }
    }
    return n;
}
