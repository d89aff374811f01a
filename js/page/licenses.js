// Print the licences of everything that the page's decoder is made of: node page/licenses.js METAFILE
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const PACKAGE = /^(.*node_modules\/((?:@[^/]+\/)?[^/]+))\//;
const found = new Map();
for (const input of Object.keys(JSON.parse(readFileSync(process.argv[2], "utf8")).inputs)) {
  const [, folder, name] = PACKAGE.exec(input) ?? [];
  if (folder) {
    found.set(name, folder);
  }
}
if (found.size === 0) {
  throw new Error("the metafile names no package");
}
for (const [name, folder] of [...found].sort()) {
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const { license, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const text = file ? readFileSync(join(folder, file), "utf8").trim() : `License: ${license}`;
  console.log(`${name} ${version}\n\n${text}\n\n${"-".repeat(72)}\n`);
}
console.log(`Zstandard, in the WebAssembly\n\n${readFileSync("LICENSE.zstd", "utf8").trim()}`);
