// A fresh folder in which what npm pack makes is installed, with its dependencies and nothing else.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Make that folder; `beside` are other packages that a program there imports. */
export function installed(beside = []) {
  const folder = mkdtempSync(join(tmpdir(), "medroi-"));
  const pack = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder];
  const listed = JSON.parse(execFileSync("npm", pack, { cwd: ROOT, encoding: "utf8" }));
  const { filename } = Array.isArray(listed) ? listed[0] : Object.values(listed)[0];
  const place = join(folder, "node_modules", "medroi");
  mkdirSync(place, { recursive: true });
  execFileSync("tar", ["-xzf", join(folder, filename), "--strip-components=1", "-C", place]);
  const wanted = [...dependenciesOf(place), ...beside];
  for (const name of wanted) {
    const found = join(ROOT, "node_modules", name);
    cpSync(found, join(folder, "node_modules", name), { recursive: true });
    wanted.push(...dependenciesOf(found).filter((other) => !wanted.includes(other)));
  }
  return folder;
}

function dependenciesOf(place) {
  return Object.keys(JSON.parse(readFileSync(join(place, "package.json"), "utf8")).dependencies ?? {});
}
