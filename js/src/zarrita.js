import { CORRUPT_STREAM, INVALID_ARGUMENT, MedROIError } from "./errors.js";
import { decode, inspect } from "./index.js";
import MedROI from "./numcodecs.js";

const NAMES = {
  i: { 1: "int8", 2: "int16", 4: "int32", 8: "int64" },
  u: { 1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64" },
  f: { 2: "float16", 4: "float32", 8: "float64" },
  b: { 1: "bool" },
};

/**
 * Make zarrita read arrays of this codec, of Zarr format 3 (`medroi`) and 2 (`numcodecs.medroi`).
 *
 * @param zarr the module zarrita: `import * as zarr from "zarrita"`
 */
export function register(zarr) {
  const fromConfig = (_configuration, meta) => new MedROICodec(meta, zarr.BoolArray);
  zarr.registry.set("medroi", () => ({ fromConfig }));
  zarr.registry.set("numcodecs.medroi", () => ({ fromConfig: (_, meta) => new MedROI(nbytesOf(meta)) }));
}

/** Bytes of a chunk; undefined for elements that have no name here. */
function nbytesOf({ dataType, shape }) {
  const sizes = Object.values(NAMES).flatMap(Object.entries);
  const [itemsize] = sizes.find(([, name]) => name === dataType) ?? [];
  return itemsize && shape.reduce((product, size) => product * size, Number(itemsize));
}

// Streams by the elements that were made of them.
const streams = new WeakMap();

/** The stream that a chunk's `data` was decoded from; undefined where none was. */
export function streamOf(data) {
  return streams.get(data);
}

/** The codec `medroi` of Zarr format 3. It only decodes. */
export class MedROICodec {
  kind = "array_to_bytes";
  #meta;
  #BoolArray;

  constructor(meta, BoolArray) {
    this.#meta = meta;
    this.#BoolArray = BoolArray;
  }

  encode() {
    throw new Error("medroi: this package only decodes; write with Python or C");
  }

  async decode(bytes) {
    const { dataType, shape } = this.#meta;
    const found = await inspect(bytes);
    const name = NAMES[found.dtype[1]]?.[Number(found.dtype.slice(2))];
    if (name !== dataType || String(found.shape) !== String(shape)) {
      throw new MedROIError(
        CORRUPT_STREAM,
        `a chunk holds ${name ?? found.dtype} of shape [${found.shape}], ` +
          `the array's chunks are ${dataType} of shape [${shape}]`,
      );
    }
    // As large as the array says, however large that is.
    const decoded = await decode(bytes, { maxNbytes: found.nbytes });
    const data = this.#asChunk(decoded);
    streams.set(data, bytes);
    return { data, shape: decoded.shape, stride: decoded.stride };
  }

  #asChunk(found) {
    if (found.dtype === "|b1") {
      const { buffer, byteOffset, length } = found.bytes;
      return new this.#BoolArray(buffer, byteOffset, length);
    }
    if (found.dtype.endsWith("f2") && !globalThis.Float16Array) {
      throw new MedROIError(INVALID_ARGUMENT, "zarrita reads float16 where there is a Float16Array");
    }
    return found.data;
  }
}
