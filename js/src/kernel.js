// The kernel in WebAssembly: its memory, its calls, and its errors.
import { INVALID_ARGUMENT, MedROIError, NO_MEMORY } from "./errors.js";
import { importsFor } from "./inner.js";

const MAX_AXES = 8;
const ERROR_NBYTES = 320;
// Sizes wrap around behind it.
const MAX_NBYTES = 2 ** 32 - 1;
// An instance whose memory has grown beyond this is not kept: WebAssembly never gives memory back.
const KEPT_NBYTES = 2 ** 28;
// A module with one SIMD instruction: it is valid where there is SIMD.
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15,
  253, 98, 11,
]);

/** Whether this machine runs the build with SIMD. */
export function hasSimd() {
  return WebAssembly.validate(SIMD_PROBE);
}

async function compile(simd) {
  const { default: text } = await (simd ? import("./wasm_simd.js") : import("./wasm_plain.js"));
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const binary = new Response(packed).body.pipeThrough(new DecompressionStream("gzip"));
  return WebAssembly.compile(await new Response(binary).arrayBuffer());
}

const modules = new Map();

/** The kernel, compiled once for every caller. */
export async function loadKernel(simd = hasSimd()) {
  if (!modules.has(simd)) {
    const kernel = compile(simd).then((module) => new Kernel(module));
    kernel.catch(() => modules.delete(simd)); // it may be there the next time
    modules.set(simd, kernel);
  }
  return modules.get(simd);
}

class Kernel {
  #module;
  #instance;

  constructor(module) {
    this.#module = module;
  }

  /** Header of a stream; its payload is checked but not decoded. */
  inspect(stream) {
    return this.#run((exports) => {
      const at = put(exports, stream);
      check(exports, exports.inspect(at, stream.length));
      return readFields(new Float64Array(exports.memory.buffer, exports.fields() >>> 0, 50));
    });
  }

  /** Bytes of the whole array, in the stream's memory order. */
  decode(stream, nbytes) {
    return this.#run((exports) => {
      const at = put(exports, stream);
      const data = allocate(exports, nbytes);
      check(exports, exports.decode(at, stream.length, data, nbytes));
      return new Uint8Array(exports.memory.buffer, data, nbytes).slice();
    });
  }

  /** Bytes of a box of it, in C order. */
  decodeBox(stream, start, stop, nbytes) {
    return this.#run((exports) => {
      const at = put(exports, stream);
      const bounds = allocate(exports, 16 * MAX_AXES);
      new Float64Array(exports.memory.buffer, bounds, 2 * start.length).set([...start, ...stop]);
      const data = allocate(exports, nbytes);
      check(
        exports,
        exports.decode_box(at, stream.length, bounds, start.length, data, nbytes),
      );
      return new Uint8Array(exports.memory.buffer, data, nbytes).slice();
    });
  }

  /** A 1 for each element inside the region, else a 0, in the stream's memory order. */
  kept(stream, n) {
    return this.#run((exports) => {
      const at = put(exports, stream);
      const marks = allocate(exports, n);
      check(exports, exports.kept(at, stream.length, marks, n));
      return new Uint8Array(exports.memory.buffer, marks, n).slice();
    });
  }

  /** Bytes that the kernel's memory has now. */
  get memoryNbytes() {
    return this.#instance?.exports.memory.buffer.byteLength ?? 0;
  }

  #start() {
    let exports;
    const medroi = importsFor(() => exports.memory);
    const instance = new WebAssembly.Instance(this.#module, { medroi });
    exports = instance.exports;
    exports._initialize();
    check(exports, exports.register_codecs());
    return instance;
  }

  /** Work whose memory is all released afterwards. */
  #run(work) {
    this.#instance ??= this.#start();
    const { exports } = this.#instance;
    let isWhole = false;
    allocated.length = 0;
    try {
      const result = work(exports);
      isWhole = true;
      return result;
    } catch (error) {
      isWhole = error instanceof MedROIError;
      throw error;
    } finally {
      if (isWhole) {
        for (const pointer of allocated) {
          exports.free(pointer);
        }
      }
      if (!isWhole || exports.memory.buffer.byteLength > KEPT_NBYTES) {
        this.#instance = undefined;
      }
    }
  }
}

// Of the call that runs: nothing here waits.
const allocated = [];

function allocate(exports, nbytes) {
  const pointer = nbytes > MAX_NBYTES ? 0 : exports.malloc(Math.max(nbytes, 1)) >>> 0;
  if (pointer === 0) {
    throw new MedROIError(NO_MEMORY, `WebAssembly has no memory for ${nbytes} bytes`);
  }
  allocated.push(pointer);
  return pointer;
}

function put(exports, bytes) {
  const pointer = allocate(exports, bytes.length);
  new Uint8Array(exports.memory.buffer, pointer, bytes.length).set(bytes);
  return pointer;
}

function check(exports, status) {
  if (status !== 0) {
    const text = new Uint8Array(exports.memory.buffer, exports.error_text() >>> 0, ERROR_NBYTES);
    throw new MedROIError(status, new TextDecoder().decode(text.subarray(0, text.indexOf(0))));
  }
}

/** The order of wasm/medroi_js.c. */
function readFields(fields) {
  const [ndim, kind, itemsize, bigEndian, fOrder, axes, innerId, sliceAxis, nSlabs] = fields;
  const [payloadNbytes, headerNbytes, isMask, threshold, missRate, low, high, nbytes] =
    fields.subarray(9);
  const axesAt = (at) => Array.from(fields.subarray(at, at + ndim));
  return {
    kind: String.fromCharCode(kind),
    itemsize,
    bigEndian: bigEndian === 1,
    order: fOrder === 1 ? "F" : "C",
    shape: axesAt(17),
    start: axesAt(17 + MAX_AXES),
    stop: axesAt(17 + 2 * MAX_AXES),
    volumeAxes: Array.from({ length: ndim }, (_, i) => i).filter((i) => (axes >> i) & 1),
    affine: Array.from(fields.subarray(17 + 3 * MAX_AXES, 17 + 3 * MAX_AXES + 9)),
    innerId,
    sliceAxis,
    nSlabs,
    payloadNbytes,
    headerNbytes,
    isMask: isMask === 1,
    threshold: Number.isNaN(threshold) ? null : threshold,
    missRate,
    backgroundBits: (BigInt(high) << 32n) | BigInt(low),
    nbytes,
  };
}

/** Refuse an array that is larger than the caller wants to have memory for. */
export function checkSize(nbytes, maxNbytes) {
  if (nbytes > maxNbytes) {
    throw new MedROIError(
      INVALID_ARGUMENT,
      `the array has ${nbytes} bytes, more than maxNbytes (${maxNbytes}) allows`,
    );
  }
}
