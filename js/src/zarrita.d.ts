/** What is used of the module zarrita. */
export interface Zarrita {
  registry: Map<string, () => unknown>;
  BoolArray: unknown;
}

/** Make zarrita read arrays of this codec: `register(zarr)` after `import * as zarr from "zarrita"`. */
export function register(zarr: Zarrita): void;

/** The stream that a chunk's `data` was decoded from; undefined where none was. */
export function streamOf(data: object): Uint8Array | undefined;
