// Stores that Python wrote, read by zarrita: the same voxels. MEDROI_STORES is the folder that
// make_stores.py filled.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import FileSystemStore from "@zarrita/storage/fs";
import { register } from "medroi/zarrita";
import * as zarr from "zarrita";
import { loadKernel } from "../src/kernel.js";
import { streamOf } from "./goldens.js";

const folder = process.env.MEDROI_STORES;
assert.ok(folder, "MEDROI_STORES is the folder that test/make_stores.py filled");
const sums = JSON.parse(readFileSync(join(folder, "sums.json"), "utf8"));

before(() => register(zarr));

for (const [name, expected] of Object.entries(sums)) {
  test(`${name} has the voxels that Python reads`, async () => {
    const array = await zarr.open(new FileSystemStore(join(folder, name)), { kind: "array" });
    const { data, shape, stride } = await zarr.get(array);
    assert.equal(array.dtype, expected.dtype);
    assert.deepEqual(shape, expected.shape);
    assert.equal(sha256(inCOrder(data, shape, stride)), expected.sha256);
  });
}

test("one slice of a sharded array takes its index and the chunks that it touches", async () => {
  const requests = [];
  class CountingStore extends FileSystemStore {
    async getRange(key, range) {
      requests.push(range);
      return super.getRange(key, range);
    }
  }
  const array = await zarr.open(new CountingStore(join(folder, "sharded")), { kind: "array" });
  await zarr.get(array, [3, null, null]);
  const nChunks = Math.ceil(56 / 16) * Math.ceil(40 / 16);
  assert.ok(requests.length <= 1 + nChunks, `${requests.length} requests`);
});

test("a chunk of another shape than the array's is refused", async () => {
  const make = zarr.registry.get("medroi")();
  const codec = make.fromConfig({}, { dataType: "int16", shape: [48, 56, 41] });
  const chunk = new Uint8Array(readFileSync(join(folder, "whole-zstd", "c", "0", "0", "0")));
  await assert.rejects(codec.decode(chunk), { code: "corrupt-stream" });
});

test("a chunk that claims to be larger than the array's is refused before there is memory for it", async () => {
  const codec = zarr.registry.get("medroi")().fromConfig({}, { dataType: "int16", shape: [64, 64, 64] });
  const chunk = streamOf(new Uint8Array(100), 2, { dtype: "<i2", shape: [1024, 1024, 500] });
  await assert.rejects(codec.decode(chunk), /the array's chunks are int16 of shape \[64,64,64\]/);
  const old = zarr.registry.get("numcodecs.medroi")().fromConfig({}, { dataType: "int16", shape: [64, 64, 64] });
  await assert.rejects(old.decode(chunk), /more than maxNbytes \(524288\)/);
  assert.ok((await loadKernel()).memoryNbytes < 2 ** 27);
});

/** Elements of an array of at most three axes, last axis fastest. */
function inCOrder(data, shape, stride) {
  if (stride.every((step, axis) => step === (stride[axis + 1] ?? 1) * (shape[axis + 1] ?? 1))) {
    return data;
  }
  const out = new data.constructor(data.length);
  let k = 0;
  for (let i = 0; i < shape[0]; i++) {
    for (let j = 0; j < shape[1]; j++) {
      for (let l = 0; l < shape[2]; l++) {
        out[k++] = data[i * stride[0] + j * stride[1] + l * stride[2]];
      }
    }
  }
  return out;
}

function sha256(data) {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return createHash("sha256").update(bytes).digest("hex");
}
