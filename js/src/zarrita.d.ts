/** What is used of the module zarrita. */
export interface Zarrita {
  registry: Map<string, () => unknown>;
  BoolArray: unknown;
}

/** Make zarrita read arrays of this codec: `register(zarr)` after `import * as zarr from "zarrita"`. */
export function register(zarr: Zarrita): void;
