// The compressors that the kernel is given: kept packages, loaded when a stream needs them.
import { INNER_UNAVAILABLE, MedROIError } from "./errors.js";

const DEFLATE = 1;
const ZSTD = 2;
const JPEG2000 = 3;

/** Functions (src, dstNbytes) -> bytes, or undefined where the bytes are none of theirs. */
const decompressors = new Map();

/** A function (src, width, height) -> samples, set by medroi/jpeg2000. */
let sliceDecoder;

export function setSliceDecoder(decoder) {
  sliceDecoder = decoder;
}

/** Load what the inner codec of this id needs. */
export async function loadInner(id) {
  if (id === DEFLATE && !decompressors.has(id)) {
    const { inflate } = await import("./deflate.js");
    decompressors.set(id, inflate);
  } else if (id === ZSTD && !decompressors.has(id)) {
    const { ZSTDDecoder } = await import("zstddec");
    const decoder = new ZSTDDecoder();
    await decoder.init();
    decompressors.set(id, (src, nbytes) =>
      contentNbytes(src) === nbytes ? decoder.decode(src, nbytes) : undefined,
    );
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
    decompress(id, src, nbytes, dst, dstNbytes) {
      return attempt(() => {
        const found = decompressors.get(id)(view(memory, src, nbytes), dstNbytes);
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

/** Content size that a Zstandard frame announces (RFC 8878, 3.1.1.1), or undefined. */
function contentNbytes(frame) {
  const words = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 6 || words.getUint32(0, true) !== 0xfd2fb528) {
    return undefined;
  }
  const flag = frame[4] >> 6;
  const isSingle = (frame[4] >> 5) & 1;
  const at = 5 + (1 - isSingle) + [0, 1, 2, 4][frame[4] & 3];
  const fieldNbytes = [isSingle, 2, 4, 8][flag];
  if (fieldNbytes === 0 || frame.length < at + fieldNbytes) {
    return undefined;
  }
  switch (fieldNbytes) {
    case 1:
      return frame[at];
    case 2:
      return words.getUint16(at, true) + 256;
    case 4:
      return words.getUint32(at, true);
    default:
      return Number(words.getBigUint64(at, true));
  }
}
