// What the page of `medroi view` decodes with, bundled by build_page.sh.
import { BoolArray, FetchStore, open as openNode, registry, root, withRangeCoalescing } from "zarrita";
import { openVolume } from "../src/volume.js";

const zarr = { BoolArray, FetchStore, open: openNode, registry, root, withRangeCoalescing };

/** Open a store, as `openVolume` does. */
export function open(url, options) {
  return openVolume(zarr, url, options);
}
