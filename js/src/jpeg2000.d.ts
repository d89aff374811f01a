/** Load OpenJPEG (@cornerstonejs/codec-openjpeg): afterwards streams of the inner codec jpeg2000 decode. */
export function load(): Promise<void>;
