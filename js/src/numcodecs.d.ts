/** The codec `medroi` of numcodecs, for readers of Zarr format 2. It only decodes. */
export default class MedROI {
  static codecId: "medroi";
  /** Arrays of more bytes are refused (default 2 ** 30). */
  constructor(maxNbytes?: number);
  static fromConfig(config?: unknown): MedROI;
  readonly kind: "bytes_to_bytes";
  encode(data: Uint8Array): never;
  /** The bytes of the chunk's array, in memory order. */
  decode(data: Uint8Array, out?: Uint8Array): Promise<Uint8Array>;
}
