// What npm pack makes installs and runs alone, and is small.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { installed } from "./installed.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const STREAM = fileURLToPath(new URL("../../tests/golden/v1-zstd-many-parts.medroi", import.meta.url));
const MAX_GZIPPED_NBYTES = 120_000;

test("the packed package runs with its dependencies and nothing else", () => {
  const folder = installed();
  try {
    const program = `import { readFileSync } from "node:fs";
       import { decode } from "medroi";
       import "medroi/numcodecs";
       import "medroi/zarrita";
       const { shape, dtype } = await decode(new Uint8Array(readFileSync(${JSON.stringify(STREAM)})));
       console.log(JSON.stringify({ shape, dtype }));`;
    writeFileSync(join(folder, "run.mjs"), program);
    const said = JSON.parse(execFileSync(process.execPath, [join(folder, "run.mjs")], { encoding: "utf8" }));
    assert.equal(said.shape.length, 3);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a bundle, dependencies included, is at most 120 kB gzipped", async () => {
  const { outputFiles } = await build({
    stdin: { contents: 'export * from "medroi"; export * from "medroi/zarrita";', resolveDir: ROOT },
    bundle: true,
    minify: true,
    splitting: true,
    format: "esm",
    outdir: "out",
    write: false,
    logLevel: "error",
  });
  // A reader loads one of the two builds of the kernel.
  const sizes = outputFiles
    .filter(({ path }) => !path.includes("wasm_plain"))
    .map(({ contents }) => gzipSync(contents).length);
  assert.ok(sizes.length >= 3, "the kernel and deflate are chunks of their own");
  const nbytes = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(nbytes <= MAX_GZIPPED_NBYTES, `${nbytes} bytes`);
});

test("the page's decoder has the licences of what is in it", () => {
  const file = new URL("../../src/medroi/serving/decoder/LICENSES.txt", import.meta.url);
  const text = readFileSync(file, "utf8");
  for (const name of ["zarrita", "fflate", "Zstandard"]) {
    assert.match(text, new RegExp(`^${name}\\b`, "m"));
  }
  assert.ok(text.match(/Permission is hereby granted|Redistribution and use/g).length >= 3);
});
