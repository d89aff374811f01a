/* Neighbours of the local methods: discs of rows and columns in the slice and in those before it,
 * and arms along the axes, which see what a scanner interpolated. */
#include "codecs/predict3d/local.h"

#define LAST_OF_ARMS 12  /* in the slice, from 5 on */
#define LAST_OF_SLICES 7 /* in front of the voxel, from 4 on */

static const local_discs sets[] = {{16, 9, 4, -1, 0}, {36, 9, 4, -1, 0}, {64, 16, 4, 0, 0}};

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

static int add_arms(const medroi_p3_volume *v, local_tap *taps, int n) {
    for (int k = 5; k <= LAST_OF_ARMS; k++) {
        taps[n++] = (local_tap){0, -k, 0, 0};
        taps[n++] = (local_tap){0, 0, -k, 0};
    }
    for (int k = 4; k <= LAST_OF_SLICES && v->lag == 2 && k < v->depth; k++) {
        taps[n++] = (local_tap){-k, 0, 0, 0};
    }
    return n;
}

int medroi_p3_local_discs(const medroi_p3_volume *v, const local_discs *discs,
                          local_tap taps[LOCAL_TAPS]) {
    int n = 0;
    taps[n++] = (local_tap){0, 0, -1, 0};
    n = add_disc(taps, n, 0, discs->here, 1);
    if (v->depth > 1) {
        n = add_disc(taps, n, -1, discs->before, 0);
    }
    if (v->depth > v->lag) {
        n = add_disc(taps, n, -v->lag, discs->far, 0);
    }
    if (v->lag == 2 && v->depth > 3) {
        n = add_disc(taps, n, -3, discs->beside, 0);
    }
    if (v->lag > 2 && v->depth > v->lag + 1) {
        n = add_disc(taps, n, 1 - v->lag, discs->beside, 0);
        n = add_disc(taps, n, -1 - v->lag, discs->beside, 0);
    }
    if (discs->has_arms) {
        n = add_arms(v, taps, n);
    }
    if (v->lag > 2 && v->depth > v->lag) {
        static const int places[5][2] = {{0, 0}, {0, -1}, {-1, 0}, {0, 1}, {1, 0}};
        for (int i = 0; i < 5; i++) {
            taps[n++] = (local_tap){(int)-v->lag, places[i][0], places[i][1], 1};
        }
    }
    return n;
}

int medroi_p3_local_taps(const medroi_p3_volume *v, int set, local_tap taps[LOCAL_TAPS]) {
    if (set < 0 || set >= (int)(sizeof sets / sizeof sets[0])) {
        return 0;
    }
    return medroi_p3_local_discs(v, &sets[set], taps);
}
