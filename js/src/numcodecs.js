import { decode } from "./index.js";

/** The codec `medroi` of numcodecs, for readers of Zarr format 2. It only decodes. */
export default class MedROI {
  static codecId = "medroi";
  kind = "bytes_to_bytes"; // what zarrita asks
  #maxNbytes;

  /** Arrays of more bytes than these are refused. */
  constructor(maxNbytes) {
    this.#maxNbytes = maxNbytes;
  }

  static fromConfig() {
    return new MedROI();
  }

  encode() {
    throw new Error("medroi: this package only decodes; write with Python or C");
  }

  /** The bytes of the chunk's array, in memory order. */
  async decode(data, out) {
    const { bytes } = await decode(data, { maxNbytes: this.#maxNbytes });
    if (out === undefined) {
      return bytes;
    }
    out.set(bytes);
    return out;
  }
}
