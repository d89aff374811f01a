// Compiled, never run: what a program in TypeScript writes.
import { decode, decodeBox, inspect, keptMask, MedROIError, type DecodedArray } from "medroi";
import { load } from "medroi/jpeg2000";
import MedROI from "medroi/numcodecs";
import { register } from "medroi/zarrita";
import { openVolume } from "medroi/volume";
import * as zarr from "zarrita";

export async function example(stream: Uint8Array): Promise<DecodedArray> {
  register(zarr);
  await load();
  const volume = await openVolume(zarr, "https://example.org/head.ome.zarr", { keptNbytes: 2 ** 20 });
  const { values, kept } = await (await volume.level(volume.nLevels - 1)).plane(2, 0);
  console.assert(values.length === kept.length && (await keptMask(stream)).data.length > 0);
  const info = await inspect(stream);
  const threshold: number | null = info.threshold;
  if (threshold === null) {
    return decodeBox(stream, info.start, info.stop, { maxNbytes: 2 ** 20 });
  }
  const bytes: Uint8Array = await MedROI.fromConfig().decode(stream);
  try {
    return await decode(bytes.buffer as ArrayBuffer, { simd: false });
  } catch (error) {
    throw error instanceof MedROIError && error.code === "corrupt-stream" ? error : new Error();
  }
}
