// The compressors that the kernel is given: kept packages, loaded when a stream needs them.
import { INNER_UNAVAILABLE, MedROIError } from "./errors.js";

const DEFLATE = 1;
const JPEG2000 = 3;

/** A function (src, dstNbytes) -> bytes, or undefined where the bytes are none of its own. */
let inflate;

/** A function (src, width, height) -> samples, set by medroi/jpeg2000. */
let sliceDecoder;

export function setSliceDecoder(decoder) {
  sliceDecoder = decoder;
}

/** Load what the inner codec of this id needs. */
export async function loadInner(id) {
  if (id === DEFLATE) {
    ({ inflate } = await import("./deflate.js"));
  } else if (id === JPEG2000 && !sliceDecoder) {
    throw new MedROIError(
      INNER_UNAVAILABLE,
      "inner codec jpeg2000 is not loaded: await load() of medroi/jpeg2000 first, " +
        "which needs the package @cornerstonejs/codec-openjpeg",
    );
  }
}

/** What the kernel imports: each gives 0 for success. */
export function importsFor(memory) {
  return {
    inflate(src, nbytes, dst, dstNbytes) {
      return attempt(() => {
        const found = inflate(view(memory, src, nbytes), dstNbytes);
        return paste(memory, found, dst, dstNbytes);
      });
    },
    decodeSlice(src, nbytes, width, height, samples) {
      return attempt(() => {
        const found = sliceDecoder(view(memory, src, nbytes), width, height);
        if (!found || found.length !== width * height) {
          return false;
        }
        new Int32Array(memory().buffer, samples >>> 0, found.length).set(found);
        return true;
      });
    },
  };
}

function view(memory, at, nbytes) {
  return new Uint8Array(memory().buffer, at >>> 0, nbytes >>> 0);
}

function paste(memory, found, dst, dstNbytes) {
  if (!found || found.length !== dstNbytes) {
    return false;
  }
  view(memory, dst, dstNbytes).set(found);
  return true;
}

/** A library that throws says that the bytes are not its own. */
function attempt(decode) {
  try {
    return decode() ? 0 : 1;
  } catch {
    return 1;
  }
}
