// Run in a browser by scripts/check_browser.py: goldens, and stores through zarrita by range requests.
import { decode, hasSimd, MedROIError } from "medroi";
import { load as loadJpeg2000 } from "medroi/jpeg2000";
import { register } from "medroi/zarrita";
import * as zarr from "zarrita";

async function sha256(bytes) {
  const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", view));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function fetched(path) {
  return new Uint8Array(await (await fetch(path)).arrayBuffer());
}

async function run() {
  const { good, bad, stores } = await (await fetch("expected.json")).json();
  const found = { simd: hasSimd(), wrong: [], nGood: 0, nRefused: 0, nStores: 0 };
  await loadJpeg2000();
  for (const simd of [true, false]) {
    for (const [name, digest] of Object.entries(good)) {
      const { bytes } = await decode(await fetched(`golden/${name}.medroi`), { simd });
      if ((await sha256(bytes)) === digest) found.nGood += 1;
      else found.wrong.push(name);
    }
    for (const name of bad) {
      try {
        await decode(await fetched(`golden/${name}.medroi`), { simd });
        found.wrong.push(name);
      } catch (error) {
        if (error instanceof MedROIError) found.nRefused += 1;
        else found.wrong.push(`${name}: ${error}`);
      }
    }
  }
  register(zarr);
  for (const [url, digest] of Object.entries(stores)) {
    const array = await zarr.open(new zarr.FetchStore(url), { kind: "array" });
    const { data } = await zarr.get(array);
    if ((await sha256(data)) === digest) found.nStores += 1;
    else found.wrong.push(url);
  }
  return found;
}

run()
  .catch((error) => ({ wrong: [String(error.stack ?? error)] }))
  .then((found) => fetch("result", { method: "POST", body: JSON.stringify(found) }));
