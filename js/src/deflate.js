import { unzlibSync } from "fflate";

/** A zlib stream that uses up its bytes; fflate itself compares no Adler-32. */
export function inflate(src, nbytes) {
  const found = unzlibSync(src, { out: new Uint8Array(nbytes) });
  const end = src.length - 4;
  const stated = new DataView(src.buffer, src.byteOffset).getUint32(end);
  return adler32(found) === stated ? found : undefined;
}

function adler32(bytes) {
  let a = 1;
  let b = 0;
  for (let i = 0; i < bytes.length; ) {
    const stop = Math.min(i + 3800, bytes.length); // sums stay below 2^31
    for (; i < stop; i++) {
      a += bytes[i];
      b += a;
    }
    a %= 65521;
    b %= 65521;
  }
  return b * 65536 + a;
}
