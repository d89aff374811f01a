/** The codec `medroi` of numcodecs, for readers of Zarr format 2. It only decodes. */
export default class MedROI {
  static codecId: "medroi";
  static fromConfig(config?: unknown): MedROI;
  readonly kind: "bytes_to_bytes";
  encode(data: Uint8Array): never;
  /** The bytes of the chunk's array, in memory order. */
  decode(data: Uint8Array, out?: Uint8Array): Promise<Uint8Array>;
}
