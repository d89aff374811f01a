#include "codecs/predict3d/predict3d.h"

medroi_status medroi_p3_corrupt(medroi_error *error, const char *what) {
    return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                       "predict3d: %s; the payload is damaged, fetch it again", what);
}
