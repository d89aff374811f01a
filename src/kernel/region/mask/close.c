/* Closing of a volume of bits by a cross that reaches so many steps along each axis (an octahedron
 * where they are alike), as if the volume went on, empty, around it. */
#include "region/mask/mask.h"

void medroi_close_cross(const medroi_bits *bits, const medroi_bits *spare, const int steps[3]) {
    int most = steps[0] > steps[1] ? steps[0] : steps[1];
    most = most > steps[2] ? most : steps[2];
    medroi_bits from = *bits;
    medroi_bits to = *spare;
    for (int i = 0; i < 2 * most; i++) {
        int k = i < most ? i : 2 * most - 1 - i;
        /* Along an axis of length 1 nothing is closed: its erosion would leave nothing. */
        medroi_reach reach = {k < steps[0] && bits->n_z > 1, k < steps[1] && bits->n_y > 1,
                              k < steps[2] && bits->n_x > 1};
        if (i < most) {
            medroi_dilate_cross(&to, &from, reach);
        } else {
            medroi_erode_cross(&to, &from, reach, 0);
        }
        medroi_bits held = from;
        from = to;
        to = held;
    }
}
