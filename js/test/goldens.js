// The streams of tests/golden and the arrays that they decode to.
import { readdirSync, readFileSync } from "node:fs";
import { unzipSync } from "fflate";

export const FOLDER = new URL("../../tests/golden/", import.meta.url);

/** Names, without their suffix, of the files that match. */
export function names(pattern, folder = FOLDER) {
  return readdirSync(folder)
    .filter((name) => pattern.test(name))
    .map((name) => name.replace(/\.\w+$/, ""))
    .sort();
}

export function bytesOf(name) {
  return new Uint8Array(readFileSync(new URL(name, FOLDER)));
}

/** The array of an .npz: its dtype as numpy writes it, shape, order and bytes. */
export function arrayOf(name) {
  const file = unzipSync(bytesOf(`${name}.npz`))["array.npy"];
  const headerNbytes = file[8] + 256 * file[9];
  const header = new TextDecoder("latin1").decode(file.subarray(10, 10 + headerNbytes));
  return {
    dtype: /'descr': '([^']+)'/.exec(header)[1],
    order: header.includes("'fortran_order': True") ? "F" : "C",
    shape: /\(([^)]*)\)/.exec(header)[1].split(",").filter((size) => size.trim()).map(Number),
    bytes: file.slice(10 + headerNbytes),
  };
}

/** CRC-32 of zlib. */
export function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) {
      crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
  }
  return ~crc >>> 0;
}

/** One slab as the stream of an array that is all region (FORMAT.md, sections 1 to 3). */
export function streamOf(slab, innerId, { dtype, shape }) {
  const ndim = shape.length;
  const isExtended = ndim !== 2 && ndim !== 3;
  const header = new DataView(new ArrayBuffer(112 + (isExtended ? 24 * ndim + 36 : 0) + 4));
  const [, sign, kind, itemsize] = /^([<>|])(\w)(\d+)$/.exec(dtype);
  const flags = (sign === ">" ? 1 : 0) | (isExtended ? 4 : 0);
  new Uint8Array(header.buffer).set([0x4d, 0x52, 0x4f, 0x49, 1, flags, kind.charCodeAt(0), ndim]);
  header.setUint16(8, Number(itemsize), true);
  header.setFloat64(72, NaN, true);
  header.setBigUint64(88, BigInt(slab.length), true);
  header.setUint32(100, shape[0], true);
  header.setUint32(104, crc32(slab), true);
  header.setUint16(108, innerId, true);
  header.setUint8(110, (1 << Math.min(ndim, 3)) - 1);
  if (isExtended) {
    shape.forEach((size, i) => {
      header.setBigUint64(112 + 24 * i, BigInt(size), true);
      header.setBigUint64(112 + 24 * i + 16, BigInt(size), true);
    });
  } else {
    [...shape, 1].slice(0, 3).forEach((size, i) => {
      header.setInt16(10 + 4 * i + 2, size - 1, true);
      header.setInt16(22 + 2 * i, size, true);
    });
  }
  const affineAt = isExtended ? 112 + 24 * ndim : 28;
  for (let i = 0; i < 9; i += 4) {
    header.setFloat32(affineAt + 4 * i, 1, true);
  }
  const end = header.byteLength - 4;
  header.setUint32(end, crc32(new Uint8Array(header.buffer, 0, end)), true);
  const stream = new Uint8Array(header.byteLength + slab.length);
  stream.set(new Uint8Array(header.buffer));
  stream.set(slab, header.byteLength);
  return stream;
}

/** The elements of a dense array in C order. */
export function inCOrder({ bytes, shape, order }, itemsize) {
  if (order === "C" || shape.length < 2) {
    return bytes;
  }
  const out = new Uint8Array(bytes.length);
  const n = bytes.length / itemsize;
  for (let k = 0; k < n; k++) {
    let rest = k;
    let at = 0;
    let step = n;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      step /= shape[axis];
      at += (rest % shape[axis]) * step;
      rest = Math.floor(rest / shape[axis]);
    }
    out.set(bytes.subarray(at * itemsize, (at + 1) * itemsize), k * itemsize);
  }
  return out;
}
