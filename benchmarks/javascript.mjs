// Seconds of the shortest of three decodings of a stream, with SIMD and without: node javascript.mjs FILE
import { readFileSync } from "node:fs";
import { decode } from "../js/src/index.js";

const stream = new Uint8Array(readFileSync(process.argv[2]));
const found = [];
for (const simd of [true, false]) {
  const options = { simd, maxNbytes: 2 ** 32 };
  for (let k = 0; k < 3; k++) {
    await decode(stream, options); // compiles, and compiles better
  }
  let best = Infinity;
  for (let k = 0; k < 3; k++) {
    const start = performance.now();
    await decode(stream, options);
    best = Math.min(best, performance.now() - start);
  }
  found.push(best / 1000);
}
console.log(found.join(" "));
