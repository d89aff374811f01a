// Planes of packed scans over HTTP: those that Python reads, by few requests and few bytes.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { openVolume } from "medroi/volume";
import * as zarr from "zarrita";
import { serve } from "./served.js";

const folder = process.env.MEDROI_STORES;
const volumes = JSON.parse(readFileSync(join(folder, "volumes.json"), "utf8"));
let served;
let root;

before(async () => {
  served = await serve(folder);
  root = served.root;
});

after(() => served.server.close());

beforeEach(() => {
  served.sent.length = 0;
});

const sha256 = (data) => createHash("sha256").update(new Uint8Array(data.buffer)).digest("hex");
const doubles = ({ values }) => sha256(Float64Array.from(values));

for (const [name, { planes }] of Object.entries(volumes)) {
  test(`planes of ${name} and their regions are those that Python reads`, async () => {
    const level = await (await openVolume(zarr, `${root}/${name}`)).level(0);
    for (const { axis, index, frame, values, kept } of planes) {
      const found = await level.plane(axis, index, frame);
      assert.deepEqual([doubles(found), sha256(found.kept)], [values, kept], `${axis} ${index} ${frame}`);
    }
  });
}

test("a first plane of a store with levels takes 4 requests and 5 % of its bytes", async () => {
  const { nbytes, smallest } = volumes["levels.ome.zarr"];
  const volume = await openVolume(zarr, `${root}/levels.ome.zarr`);
  const level = await volume.level(volume.nLevels - 1);
  assert.deepEqual(level.factors, [4, 4, 4]);
  const plane = await level.plane(2, Math.floor(level.shape[2] / 2));
  assert.equal(doubles(plane), smallest);
  const nSent = served.sent.reduce((sum, one) => sum + one, 0);
  assert.ok(served.sent.length <= 4, `${served.sent.length} requests`);
  assert.ok(nSent <= 0.05 * nbytes, `${nSent} of ${nbytes} bytes`);
});

test("a plane of all voxels takes the index of its shard and as few ranges as there are gaps", async () => {
  const metadata = {};
  for (const key of ["/zarr.json", "/s0/zarr.json"]) {
    metadata[key] = JSON.parse(readFileSync(join(folder, "levels.ome.zarr", key), "utf8"));
  }
  const level = await (await openVolume(zarr, `${root}/levels.ome.zarr`, { metadata })).level(0);
  await level.plane(2, 96);
  assert.equal(served.sent.length, 2);
  await level.plane(2, 97);
  assert.equal(served.sent.length, 2, "chunks that were decoded are kept");
});

test("chunks are forgotten where there is no room for them, and read again", async () => {
  const { planes } = volumes["box.ome.zarr"];
  const level = await (await openVolume(zarr, `${root}/box.ome.zarr`, { keptNbytes: 1 })).level(0);
  for (const { axis, index, frame, values } of [...planes, ...planes]) {
    assert.equal(doubles(await level.plane(axis, index, frame)), values);
  }
});

test("planes and levels that are not there are refused", async () => {
  const volume = await openVolume(zarr, `${root}/frames.ome.zarr`);
  const level = await volume.level(0);
  for (const place of [[3, 0], [-1, 0], [0, -1], [0, 20], [2, 0.5], [2, 0, 3], [2, 0, -1], ["z", 0]]) {
    await assert.rejects(level.plane(...place), { code: "invalid-argument" }, `${place}`);
  }
  for (const number of [-1, 1, 0.5, "s0"]) {
    await assert.rejects(async () => volume.level(number), { code: "invalid-argument" }, `${number}`);
  }
});

test("metadata that are no image, or name a plane beyond all memory, are refused", async () => {
  const level = { path: "s0", coordinateTransformations: [{ type: "scale", scale: [1, 1, 1] }] };
  const scale = (value) => ({ ...level, coordinateTransformations: value });
  for (const datasets of [
    [],
    "s0",
    [null],
    [scale(undefined)],
    [scale([])],
    [scale([{ type: "scale", scale: "1" }])],
    [scale([{ type: "scale", scale: [0, 1, 1] }])],
    ...["../s0", "/s0", "//evil.example/s0", "https://evil.example", "s0/../..", "", 3].map((path) => [{ ...level, path }]),
  ]) {
    const attributes = { ome: { version: "0.5", multiscales: [{ datasets }] } };
    const metadata = { "/zarr.json": { zarr_format: 3, node_type: "group", attributes } };
    const opened = openVolume(zarr, `${root}/box.ome.zarr`, { metadata });
    await assert.rejects(opened, { code: "invalid-argument" }, JSON.stringify(datasets));
  }
  const array = JSON.parse(readFileSync(join(folder, "bare.zarr", "zarr.json"), "utf8"));
  for (const [shape, chunks] of [[[2 ** 15, 2 ** 14, 1], [64, 64, 1]], [[2 ** 11, 2 ** 11, 1], [1, 1, 1]]]) {
    const grid = { name: "regular", configuration: { chunk_shape: chunks } };
    const metadata = { "/zarr.json": { ...array, shape, chunk_grid: grid } };
    const level = await (await openVolume(zarr, `${root}/bare.zarr`, { metadata })).level(0);
    await assert.rejects(level.plane(2, 0), /at most/);
  }
});

test("a level that could not be opened is asked for again", async () => {
  const place = join(folder, "late.ome.zarr");
  cpSync(join(folder, "box.ome.zarr"), place, { recursive: true });
  renameSync(join(place, "s0"), join(place, "later"));
  const volume = await openVolume(zarr, `${root}/late.ome.zarr`);
  await assert.rejects(volume.level(0));
  renameSync(join(place, "later"), join(place, "s0"));
  assert.equal((await volume.level(0)).shape.length, 3);
  rmSync(place, { recursive: true });
});

test("what the server fails to give is an error, and no background", async () => {
  const place = join(folder, "gone.ome.zarr");
  cpSync(join(folder, "box.ome.zarr"), place, { recursive: true });
  rmSync(join(place, "s0", "c"), { recursive: true });
  const level = await (await openVolume(zarr, `${root}/gone.ome.zarr`)).level(0);
  await assert.rejects(level.plane(2, 0), /every chunk/);
  rmSync(place, { recursive: true });
});

test("a server without ranges is told apart from one with them", async () => {
  served.hasRanges = false;
  try {
    const level = await (await openVolume(zarr, `${root}/box.ome.zarr`)).level(0);
    await assert.rejects(level.plane(2, 0), /the whole file/);
  } finally {
    served.hasRanges = true;
  }
});
