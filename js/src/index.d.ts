/** Of which kind the trouble with a stream is. */
export type ErrorCode =
  | "invalid-argument"
  | "corrupt-stream"
  | "unsupported-version"
  | "inner-unavailable"
  | "no-memory"
  | "unknown";

/** A stream that cannot be decoded, or an argument that cannot be served. */
export class MedROIError extends Error {
  readonly code: ErrorCode;
}

export interface KernelOptions {
  /** Whether to take the build with SIMD; by default, whether this machine has it. */
  simd?: boolean;
}

export interface DecodeOptions extends KernelOptions {
  /** Arrays of more bytes are refused (default 2 ** 30). */
  maxNbytes?: number;
}

export type Elements =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

export interface DecodedArray {
  /**
   * Elements in this machine's byte order. Half floats are a Float16Array where there is one, else a
   * Float32Array; complex numbers are pairs of floats; bools, bytes and text are their bytes or code points.
   */
  data: Elements;
  /** The elements as they were stored. */
  bytes: Uint8Array;
  shape: number[];
  /** Distance of neighbours along each axis, in elements. */
  stride: number[];
  order: "C" | "F";
  /** As numpy writes it: "<i2". */
  dtype: string;
}

export interface StreamInfo {
  dtype: string;
  kind: string;
  itemsize: number;
  bigEndian: boolean;
  order: "C" | "F";
  shape: number[];
  /** The region's box, half-open; all 0 where it is empty. */
  start: number[];
  stop: number[];
  /** Whether voxels of the box outside a mask are background too. */
  isMask: boolean;
  volumeAxes: number[];
  /** Upper-left 3x3 of the affine, row major. */
  affine: number[];
  /** FORMAT.md, section 6. */
  innerId: number;
  sliceAxis: number;
  /** Pieces of the payload that decode alone. */
  nSlabs: number;
  payloadNbytes: number;
  headerNbytes: number;
  /** In stored units; null where every voxel that is not background is kept. */
  threshold: number | null;
  missRate: number;
  backgroundBits: bigint;
  /** Bytes of the whole array. */
  nbytes: number;
}

export type Stream = Uint8Array | ArrayBuffer;

/** Whether this machine runs the build with SIMD. */
export function hasSimd(): boolean;

/** Compile the kernel now, before the first stream. */
export function load(options?: KernelOptions): Promise<void>;

/** Read and check everything of a stream but its voxels. */
export function inspect(stream: Stream, options?: KernelOptions): Promise<StreamInfo>;

/** Decode a whole stream. */
export function decode(stream: Stream, options?: DecodeOptions): Promise<DecodedArray>;

/**
 * Decode the box of voxels from `start` up to, not including, `stop`, in C order; only the slabs that
 * it touches are decoded.
 */
export function decodeBox(
  stream: Stream,
  start: readonly number[],
  stop: readonly number[],
  options?: DecodeOptions,
): Promise<DecodedArray>;

export interface KeptMask {
  /** 1 inside the region, 0 where the array is background. */
  data: Uint8Array;
  shape: number[];
  stride: number[];
  order: "C" | "F";
}

/** Mark the voxels that a stream keeps. */
export function keptMask(stream: Stream, options?: DecodeOptions): Promise<KeptMask>;
