// Elements of numpy as typed arrays.
import { INVALID_ARGUMENT, MedROIError } from "./errors.js";

const SINGLE = { b: Uint8Array, S: Uint8Array, V: Uint8Array, U: Uint32Array };
const NUMBERS = {
  i1: Int8Array,
  i2: Int16Array,
  i4: Int32Array,
  i8: BigInt64Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  u8: BigUint64Array,
  f4: Float32Array,
  f8: Float64Array,
  c8: Float32Array,
  c16: Float64Array,
  M8: BigInt64Array,
  m8: BigInt64Array,
};

/** numpy's name of an element type, such as "<i2". */
export function dtypeOf(info) {
  const isText = info.kind === "U";
  const hasOrder = isText || (info.itemsize > 1 && !"SV".includes(info.kind));
  const prefix = hasOrder ? (info.bigEndian ? ">" : "<") : "|";
  return `${prefix}${info.kind}${isText ? info.itemsize / 4 : info.itemsize}`;
}

/** Elements in the order of this machine, as the typed array that is theirs. Half floats are a
 * Float16Array where the platform has one, else floats; complex numbers are pairs; text is code points. */
export function elementsOf(bytes, info) {
  const type = SINGLE[info.kind] ?? NUMBERS[info.kind + info.itemsize];
  const native = info.bigEndian ? swapped(bytes, unitNbytes(info)) : bytes;
  if (type) {
    return new type(native.buffer, native.byteOffset, native.byteLength / type.BYTES_PER_ELEMENT);
  }
  if (info.kind === "f" && info.itemsize === 2) {
    return halves(native);
  }
  throw new MedROIError(INVALID_ARGUMENT, `elements ${dtypeOf(info)} have no typed array`);
}

function unitNbytes(info) {
  return info.kind === "c" ? info.itemsize / 2 : info.kind === "U" ? 4 : info.itemsize;
}

function swapped(bytes, unit) {
  const out = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += unit) {
    for (let k = 0; k < unit; k++) {
      out[at + k] = bytes[at + unit - 1 - k];
    }
  }
  return out;
}

function halves(bytes) {
  if (globalThis.Float16Array) {
    return new globalThis.Float16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  }
  const bits = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  return Float32Array.from(bits, (half) => {
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    const size =
      exponent === 31
        ? fraction
          ? NaN
          : Infinity
        : exponent === 0
          ? fraction * 2 ** -24
          : (1 + fraction / 1024) * 2 ** (exponent - 15);
    return half >> 15 ? -size : size;
  });
}

/** Distance of neighbours along each axis, in elements, of a dense array. */
export function strideOf(shape, order) {
  const stride = new Array(shape.length);
  const axes = shape.map((_, i) => i);
  let step = 1;
  for (const axis of order === "F" ? axes : axes.reverse()) {
    stride[axis] = step;
    step *= shape[axis];
  }
  return stride;
}
