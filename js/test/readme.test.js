// The programs of README.md run as they stand there, in a fresh folder; addresses are those of stores of this test.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { installed } from "./installed.js";
import { serve } from "./served.js";

const stores = process.env.MEDROI_STORES;
const readme = readFileSync(fileURLToPath(new URL("../README.md", import.meta.url)), "utf8");
const programs = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, program]) => program);
const stream = join(stores, "whole-zstd", "c", "0", "0", "0");
// What a program of the page takes from its reader, and what it has at its end.
const GIVEN = `import { readFileSync } from "node:fs";
const stream = new Uint8Array(readFileSync(${JSON.stringify(stream)}));
`;
const EXPECTED = [
  { shown: "[shape, whole, slice.shape]", value: [[48, 56, 40], [48, 56, 40], [1, 56, 40]] },
  { shown: "slice.shape", value: [192, 192] },
  { shown: "[small.factors, shape, voxels.length === kept.length]", value: [[4, 4, 4], [40, 48], true] },
];
const ADDRESSES = { "head.zarr": "packed.zarr", "head.ome.zarr": "levels.ome.zarr" };
let folder;
let served;

before(async () => {
  folder = installed(["zarrita"]);
  served = await serve(stores);
});

after(() => {
  served.server.close();
  rmSync(folder, { recursive: true });
});

test("README has a program for every promise here", () => {
  assert.equal(programs.length, EXPECTED.length);
});

for (const [number, { shown, value }] of EXPECTED.entries()) {
  test(`program ${number + 1} of README gives what it says`, async () => {
    const program = programs[number].replace(/https:\/\/example\.org\/([\w.]+)/g, (_, name) => {
      assert.ok(name in ADDRESSES, name);
      return `${served.root}/${ADDRESSES[name]}`;
    });
    const file = join(folder, `program-${number}.mjs`);
    writeFileSync(file, `${GIVEN}${program}\nconsole.log(JSON.stringify(${shown}));\n`);
    const { stdout } = await promisify(execFile)(process.execPath, [file]);
    assert.deepEqual(JSON.parse(stdout), value);
  });
}
