import { dtypeOf, elementsOf, strideOf } from "./elements.js";
import { INVALID_ARGUMENT, MedROIError } from "./errors.js";
import { loadInner } from "./inner.js";
import { checkSize, hasSimd, loadKernel } from "./kernel.js";

export { MedROIError, hasSimd };

const MAX_NBYTES = 2 ** 30;

/** Compile the kernel now, before the first stream: `simd: false` takes the build without SIMD. */
export async function load({ simd } = {}) {
  await loadKernel(simd);
}

/** Read and check everything of a stream but its voxels. */
export async function inspect(stream, { simd } = {}) {
  return infoOf(await loadKernel(simd), asBytes(stream));
}

/** Decode a whole stream. */
export async function decode(stream, { simd, maxNbytes = MAX_NBYTES } = {}) {
  const kernel = await loadKernel(simd);
  const bytes = asBytes(stream);
  const info = infoOf(kernel, bytes);
  checkSize(info.nbytes, maxNbytes);
  await loadInner(info.innerId);
  return arrayOf(kernel.decode(bytes, info.nbytes), info, info.shape, info.order);
}

/** Decode the box of voxels from `start` up to, not including, `stop`; only the slabs that it touches are decoded. */
export async function decodeBox(stream, start, stop, { simd, maxNbytes = MAX_NBYTES } = {}) {
  const kernel = await loadKernel(simd);
  const bytes = asBytes(stream);
  const info = infoOf(kernel, bytes);
  checkBox(info.shape, start, stop);
  const shape = start.map((first, axis) => stop[axis] - first);
  const nbytes = shape.reduce((product, size) => product * size, info.itemsize);
  checkSize(nbytes, maxNbytes);
  await loadInner(info.innerId);
  return arrayOf(kernel.decodeBox(bytes, start, stop, nbytes), info, shape, "C");
}

/** Mark the voxels that a stream keeps: 1 inside its region, 0 where the array is background. */
export async function keptMask(stream, { simd, maxNbytes = MAX_NBYTES } = {}) {
  const kernel = await loadKernel(simd);
  const bytes = asBytes(stream);
  const { nbytes, itemsize, shape, order } = infoOf(kernel, bytes);
  checkSize(nbytes / itemsize, maxNbytes);
  const data = kernel.kept(bytes, nbytes / itemsize);
  return { data, shape, stride: strideOf(shape, order), order };
}

function infoOf(kernel, bytes) {
  const info = kernel.inspect(bytes);
  return { ...info, dtype: dtypeOf(info) };
}

function arrayOf(bytes, info, shape, order) {
  return {
    data: elementsOf(bytes, info),
    bytes,
    shape,
    stride: strideOf(shape, order),
    order,
    dtype: info.dtype,
  };
}

function asBytes(stream) {
  if (stream instanceof Uint8Array) {
    return stream;
  }
  if (stream instanceof ArrayBuffer) {
    return new Uint8Array(stream);
  }
  throw new MedROIError(INVALID_ARGUMENT, "a stream is a Uint8Array or an ArrayBuffer");
}

function checkBox(shape, start, stop) {
  const isBox =
    start.length === shape.length &&
    stop.length === shape.length &&
    shape.every(
      (size, i) =>
        Number.isInteger(start[i]) &&
        Number.isInteger(stop[i]) &&
        0 <= start[i] &&
        start[i] <= stop[i] &&
        stop[i] <= size,
    );
  if (!isBox) {
    throw new MedROIError(
      INVALID_ARGUMENT,
      `[${start}] to [${stop}] is no box of an array of shape [${shape}]`,
    );
  }
}
