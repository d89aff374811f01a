// Inner codec jpeg2000, by OpenJPEG in WebAssembly, an optional package.
import openjpeg from "@cornerstonejs/codec-openjpeg/decode";
import { setSliceDecoder } from "./inner.js";

/** Load OpenJPEG: afterwards streams of the inner codec jpeg2000 decode. */
export async function load() {
  const quiet = () => {}; // it says on the console what it reads
  const library = await openjpeg({ print: quiet, printErr: quiet });
  setSliceDecoder((src, width, height) => decodeSlice(library, src, width, height));
}

function decodeSlice(library, src, width, height) {
  const decoder = new library.J2KDecoder();
  try {
    decoder.getEncodedBuffer(src.length).set(src);
    decoder.decode();
    const found = decoder.getFrameInfo();
    if (
      found.width !== width ||
      found.height !== height ||
      found.componentCount !== 1 ||
      found.isSigned ||
      found.bitsPerSample > 16
    ) {
      return undefined;
    }
    const bytes = decoder.getDecodedBuffer().slice();
    return found.bitsPerSample > 8 ? new Uint16Array(bytes.buffer, 0, bytes.length >> 1) : bytes;
  } finally {
    decoder.delete();
  }
}
