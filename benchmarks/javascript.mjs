// Processor seconds of one decoding of a stream, with SIMD and without, the fewest of three lots: node javascript.mjs FILE
import { readFileSync } from "node:fs";
import { decode } from "../js/src/index.js";

const stream = new Uint8Array(readFileSync(process.argv[2]));
const found = [];
const WARM_MS = 100;
for (const simd of [true, false]) {
  const options = { simd, maxNbytes: 2 ** 32 };
  // Compiles, and compiles better.
  let n = 0;
  for (const stop = performance.now() + WARM_MS; n < 3 || performance.now() < stop; n++) {
    await decode(stream, options);
  }
  let best = Infinity;
  for (let lot = 0; lot < 3; lot++) {
    const before = process.cpuUsage();
    for (let k = 0; k < n; k++) {
      await decode(stream, options);
    }
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / n);
  }
  found.push(best / 1e6);
}
console.log(found.join(" "));
