/* JPEG 2000 codestreams (ISO/IEC 15444-1, annex A): markers checked before a library sees them. */
#include "codecs/jpeg2000/jpeg2000.h"

#define SOC 0xFF4F
#define SIZ 0xFF51
#define COD 0xFF52
#define TLM 0xFF55
#define PLT 0xFF58
#define QCD 0xFF5C
#define COM 0xFF64
#define SOT 0xFF90
#define SOD 0xFF93
#define EOC 0xFFD9

#define SIZ_NBYTES 41
#define MIN_COD_NBYTES 12
#define SOT_NBYTES 10
#define MAX_LEVELS 32

static uint32_t load_big16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }

static uint32_t load_big32(const uint8_t *p) { return load_big16(p) << 16 | load_big16(p + 2); }

static medroi_status corrupt(medroi_error *error, const char *what) {
    return medroi_fail(error, MEDROI_CORRUPT_STREAM, "corrupt stream: a JPEG 2000 codestream %s",
                       what);
}

/* `p` points behind the marker, at the segment's length. */
static medroi_status check_siz(const medroi_j2k_slice *slice, const uint8_t *p, size_t length,
                               medroi_error *error) {
    if (length != SIZ_NBYTES || load_big16(p + 36) != 1 || p[39] != 1 || p[40] != 1) {
        return corrupt(error, "has not exactly one full-size component");
    }
    if (load_big32(p + 4) != slice->width || load_big32(p + 8) != slice->height ||
        load_big32(p + 12) != 0 || load_big32(p + 16) != 0) {
        return corrupt(error, "has another size than its slice");
    }
    if (load_big32(p + 20) < slice->width || load_big32(p + 24) < slice->height ||
        load_big32(p + 28) != 0 || load_big32(p + 32) != 0) {
        return corrupt(error, "has more than one tile");
    }
    /* Ssiz: bit 7 signed, then precision - 1. */
    if (p[38] > 15) {
        return corrupt(error, "has signed samples or more than 16 bits");
    }
    return MEDROI_OK;
}

static medroi_status check_cod(const uint8_t *p, size_t length, medroi_error *error) {
    if (length != MIN_COD_NBYTES || (p[2] & 1) != 0) {
        return corrupt(error, "has precincts");
    }
    if (load_big16(p + 4) != 1 || p[6] != 0) {
        return corrupt(error, "has several layers or a component transform");
    }
    if (p[7] > MAX_LEVELS || p[8] > 8 || p[9] > 8 || p[8] + p[9] > 8 || p[10] > 63 || p[11] > 1) {
        return corrupt(error, "has a coding style that Part 1 does not have");
    }
    return MEDROI_OK;
}

/* One marker segment at `at`; sets *length, of what follows the marker's own two bytes. */
static medroi_status check_segment(const medroi_j2k_slice *slice, uint32_t marker, const uint8_t *p,
                                   size_t left, size_t *length, medroi_error *error) {
    *length = left >= 2 ? load_big16(p) : 0;
    if (*length < 2 || *length > left) {
        return corrupt(error, "is cut off");
    }
    switch (marker) {
    case SIZ:
        return check_siz(slice, p, *length, error);
    case COD:
        return check_cod(p, *length, error);
    case QCD:
    case COM:
    case TLM:
    case PLT:
        return MEDROI_OK;
    case SOT:
        /* Tile 0, one tile-part, up to EOC (or unsaid). */
        if (*length != SOT_NBYTES || load_big16(p + 2) != 0 || p[8] != 0 || p[9] > 1 ||
            (load_big32(p + 4) != 0 && load_big32(p + 4) != left + 2)) {
            return corrupt(error, "has more than one tile-part");
        }
        return MEDROI_OK;
    default:
        return corrupt(error, "has a marker segment that is not allowed here");
    }
}

medroi_status medroi_j2k_check(const medroi_j2k_slice *slice, const uint8_t *src, size_t nbytes,
                               medroi_error *error) {
    uint32_t last = SOC;
    int n_cod = 0, n_qcd = 0, n_sot = 0;
    if (nbytes < 6 || load_big16(src) != SOC || load_big16(src + 2) != SIZ ||
        load_big16(src + nbytes - 2) != EOC) {
        return corrupt(error, "does not begin with SOC and SIZ and end with EOC");
    }
    for (size_t at = 2; at + 2 <= nbytes - 2;) {
        uint32_t marker = load_big16(src + at);
        size_t length;
        if (marker == SOD) {
            return n_cod == 1 && n_qcd == 1 && n_sot == 1
                       ? MEDROI_OK
                       : corrupt(error, "lacks a marker segment or repeats one");
        }
        if ((marker == SIZ) != (last == SOC)) {
            return corrupt(error, "has SIZ out of place");
        }
        medroi_status status =
            check_segment(slice, marker, src + at + 2, nbytes - at - 4, &length, error);
        if (status != MEDROI_OK) {
            return status;
        }
        n_cod += marker == COD;
        n_qcd += marker == QCD;
        n_sot += marker == SOT;
        last = marker;
        at += 2 + length;
    }
    return corrupt(error, "has no data");
}
