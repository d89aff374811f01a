/** The module zarrita: `import * as zarr from "zarrita"`. */
type Zarrita = object;

export interface VolumeOptions {
  /** What zarr.json of some keys holds, such as {"/zarr.json": ...}, which is then not fetched. */
  metadata?: Record<string, unknown>;
  /** Decoded chunks are kept up to this (default 2 ** 28), of all levels together. */
  keptNbytes?: number;
}

export interface Plane {
  /** Of the two other axes, the earlier one fastest. */
  values: ArrayLike<number>;
  /** 1 for each voxel inside the region. */
  kept: Uint8Array;
  shape: [number, number];
}

export interface Level {
  /** Sizes of the scan's axes: x, y, z(, t). */
  readonly shape: number[];
  /** How many voxels of the first level became one, along each axis. */
  readonly factors: number[];
  /** Voxels across axis 0, 1 or 2; the frame counts through the axes behind these. */
  plane(axis: number, index: number, frame?: number): Promise<Plane>;
}

export interface Volume {
  readonly nLevels: number;
  /** Level 0 has all voxels, each later one is smaller. */
  level(number: number): Promise<Level>;
}

/** Open a Zarr 3 array, or an OME-Zarr 0.5 group, that MedROI wrote, behind a URL. */
export function openVolume(zarr: Zarrita, url: string, options?: VolumeOptions): Promise<Volume>;
