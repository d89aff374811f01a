/* A configuration once it has been read, and what it means for one array. */
#ifndef MEDROI_CONFIG_H
#define MEDROI_CONFIG_H

#include "codecs/parameters.h"
#include "engine/json.h"

/* Source of the background; the numbers are those of the filter's cd_values. */
typedef enum medroi_background {
    MEDROI_BACKGROUND_FLOAT = 0,
    MEDROI_BACKGROUND_AUTO = 1,
    MEDROI_BACKGROUND_INT = 2,
    MEDROI_BACKGROUND_UINT = 3,
    MEDROI_BACKGROUND_FILL = 4 /* not given: the fill value of the array, else 0 */
} medroi_background;

/* An inner codec of somebody else's, and what it was registered with. */
typedef struct medroi_hosted {
    medroi_codec codec;
    void *user;
} medroi_hosted;

/* An inner codec with its settings: one of the kernel's, or a hosted one. */
typedef struct medroi_coder {
    uint16_t id;
    const medroi_inner *native; /* NULL: hosted */
    double params[MEDROI_MAX_PARAMS];
    const medroi_hosted *hosted;
    void *settings; /* of a hosted codec */
} medroi_coder;

struct medroi_config {
    medroi_region_options region; /* its background is set for each array */
    medroi_background background;
    uint64_t background_word; /* the bits of a double, or an integer */
    int32_t n_axes;           /* 0: the last three */
    int32_t axes[3];
    uint8_t has_slice_axis;
    int32_t slice_axis;
    uint8_t has_affine;
    float affine[9]; /* the identity where there is none */
    uint8_t verify;
    medroi_coder coder;
    char *inner; /* as JSON */
};

/* --- options.c --- */
/* The option of this name, or NULL. */
const medroi_option *medroi_find_option(const char *name);

/* --- config.c --- */
/* The affine where none is given. */
extern const float medroi_identity[9];
/* Every default, without an inner codec. */
void medroi_config_init(medroi_config *config);
/* Read the options of an object; `inner` is left alone, and handed back where it is there. */
medroi_status medroi_config_read(const medroi_json *object, medroi_config *config,
                                 medroi_json *inner, medroi_error *error);

/* --- inner_config.c --- */
/* The numbers of a native codec from its settings: an object of which "id" is ignored, or NULL. */
medroi_status medroi_read_params(const medroi_parameters *codec, const medroi_json *object,
                                 double params[MEDROI_MAX_PARAMS], medroi_error *error);
/* Give the inner codec, a native one, another target in place of the one that it has. */
medroi_status medroi_set_target(medroi_config *config, const medroi_parameter *target,
                                double number, medroi_error *error);
/* Read what stands behind "inner" into config->coder and config->inner. */
medroi_status medroi_read_inner(const medroi_json *inner, medroi_config *config,
                                medroi_error *error);

/* --- resolve.c --- */
/* Resolve a configuration for one array: sets layout->axes and everything of `settings` but the
 * inner codec. `fill` holds the bits of the array's fill value, or is NULL where it has none. */
medroi_status medroi_resolve(const medroi_config *config, const uint64_t *fill,
                             medroi_layout *layout, medroi_settings *settings, medroi_error *error);
/* The bits of one element that holds a background given as in a configuration. */
medroi_status medroi_background_bits(medroi_background kind, uint64_t word,
                                     const medroi_layout *layout, uint64_t *bits,
                                     medroi_error *error);

/* --- registry.c --- */
/* Hosted codecs by id and by name; NULL where none was registered. */
const medroi_hosted *medroi_find_hosted(uint16_t id);
const medroi_hosted *medroi_find_hosted_by_name(const medroi_json *name);
/* The name of an id that FORMAT.md gives out, or NULL. */
const char *medroi_inner_name(uint16_t id);

#endif
