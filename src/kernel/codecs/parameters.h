/* The settings of a native codec: what a configuration calls them, what they take, and which of the
 * numbers that the codec gets, `params`, they are. A table stands beside each codec; it is there
 * where the build lacks the codec too, for those that take its place. */
#ifndef MEDROI_PARAMETERS_H
#define MEDROI_PARAMETERS_H

#include "base/kernel.h"

typedef enum medroi_parameter_kind {
    MEDROI_NUMBER,
    MEDROI_INTEGER,
    MEDROI_FLAG,   /* 0 or 1 */
    MEDROI_CHOICE, /* the number of a name */
    MEDROI_TARGET, /* one of several numbers, of which at most one is given */
    MEDROI_SPACING /* three numbers, or none: zeros */
} medroi_parameter_kind;

/* Limits that say "above 0" and "no limit". */
#define MEDROI_ABOVE_ZERO 1e-300
#define MEDROI_NO_LIMIT 1e300

typedef struct medroi_parameter {
    const char *name;
    medroi_parameter_kind kind;
    uint8_t index;   /* of (the first of) its numbers */
    uint8_t mode;    /* of a target: params[0] where it is the one */
    double fallback; /* the number where it is not given; of a target without meaning */
    double low;      /* the smallest and the greatest that is taken */
    double high;
    const char *help;
    const char *const *choices; /* names of low, low + 1, ..., up to a NULL */
    const char *belongs_to;     /* the target without which it has no meaning, or NULL */
    const char *earlier_name;   /* which configurations may still call it by, or NULL */
} medroi_parameter;

typedef struct medroi_parameters {
    uint16_t id;
    const char *name;
    uint8_t needs_target;
    uint8_t planned; /* the index where a plan puts what it finds: until then the target; or 0 */
    uint8_t
        of_scan; /* bit m: a fit replaces the target of mode m by what a plan of the scan finds */
    uint8_t n;
    const medroi_parameter *rows;
} medroi_parameters;

extern const medroi_parameters medroi_raw_parameters;
extern const medroi_parameters medroi_deflate_parameters;
extern const medroi_parameters medroi_zstd_parameters;
extern const medroi_parameters medroi_jpeg2000_parameters;
extern const medroi_parameters medroi_wavelet3d_parameters;
extern const medroi_parameters medroi_predict3d_parameters;

/* The setting of this name or earlier name, `nbytes` long, or NULL. */
const medroi_parameter *medroi_find_parameter(const medroi_parameters *codec, const char *name,
                                              size_t nbytes);
/* The target with this mode, or NULL. */
const medroi_parameter *medroi_find_target(const medroi_parameters *codec, double mode);
/* The numbers of a codec whose configuration says nothing. */
void medroi_default_params(const medroi_parameters *codec, double params[MEDROI_MAX_PARAMS]);
/* Whether a number is one that a setting takes. */
int medroi_parameter_takes(const medroi_parameter *parameter, double number);
/* The values that a setting takes, for a message. */
void medroi_parameter_limits(const medroi_parameter *parameter, char text[64]);
/* Refuse numbers that no setting gives. */
medroi_status medroi_check_params(const medroi_parameters *codec, const double *params,
                                  medroi_error *error);

#endif
