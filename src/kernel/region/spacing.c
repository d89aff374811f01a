/* The spacing of the voxels along the axes of a grid, and what follows from it. */
#include "region/spacing.h"
#include "mask/mask.h"

#include <math.h>

#define THICK 1.5      /* times the shortest side of a voxel */
#define CLOSING_MM 6.0 /* radius */
#define CONTOUR_MM 5.0

/* Lengths along z, y, x; 0 where there is no axis. 1 everywhere where any is not known. */
static void spacing_of(const medroi_layout *layout, const medroi_grid *grid,
                       const medroi_region_options *options, double spacing_mm[3]) {
    int known = 1;
    for (int i = 0; i < 3; i++) {
        int number = 0; /* among the volume axes, in array order */
        spacing_mm[i] = 0;
        if (grid->axis[i] < 0) {
            continue;
        }
        for (int32_t axis = 0; axis < grid->axis[i]; axis++) {
            number += layout->axes >> axis & 1;
        }
        spacing_mm[i] = options->spacing_mm[number];
        known = known && spacing_mm[i] > 0 && isfinite(spacing_mm[i]);
    }
    for (int i = 0; !known && i < 3; i++) {
        spacing_mm[i] = grid->axis[i] >= 0;
    }
}

medroi_reach medroi_opening_of(const medroi_layout *layout, const medroi_grid *grid,
                               const medroi_region_options *options) {
    double spacing_mm[3], shortest = 0;
    spacing_of(layout, grid, options, spacing_mm);
    for (int i = 0; i < 3; i++) {
        if (spacing_mm[i] > 0 && (shortest == 0 || spacing_mm[i] < shortest)) {
            shortest = spacing_mm[i];
        }
    }
    medroi_reach reach = {grid->n_z >= 3 && spacing_mm[0] <= THICK * shortest,
                          grid->n_y >= 3 && spacing_mm[1] <= THICK * shortest,
                          grid->n_x >= 3 && spacing_mm[2] <= THICK * shortest ? grid->inner : 0};
    return reach;
}

/* `length_mm` as steps of so many voxels, at most `most`. */
static void steps_of(const medroi_layout *layout, const medroi_grid *grid,
                     const medroi_region_options *options, double length_mm, int n_voxels, int most,
                     int steps[3]) {
    double spacing_mm[3];
    spacing_of(layout, grid, options, spacing_mm);
    for (int i = 0; i < 3; i++) {
        double size_mm = spacing_mm[i] > 0 ? spacing_mm[i] : 1;
        double n = floor(length_mm / (n_voxels * size_mm) + 0.5);
        steps[i] = n < most ? (int)n : most;
    }
}

void medroi_closing_of(const medroi_layout *layout, const medroi_grid *grid,
                       const medroi_region_options *options, int steps[3]) {
    steps_of(layout, grid, options, CLOSING_MM, MEDROI_TILE_EDGE, MEDROI_MAX_CLOSING, steps);
}

void medroi_contour_closing_of(const medroi_layout *layout, const medroi_grid *grid,
                               const medroi_region_options *options, int steps[3]) {
    steps_of(layout, grid, options, CONTOUR_MM, 1, MEDROI_CONTOUR_CLOSING, steps);
}
