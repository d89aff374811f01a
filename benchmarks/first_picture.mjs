// Requests and bytes of a store's files until the page of `medroi view` has its first picture, and its whole
// axial plane: node first_picture.mjs ADDRESS, beside planes.js and its decoder.
const address = process.argv[2];
globalThis.location = { href: address };
const counts = { requests: 0, nbytes: 0 };
const original = globalThis.fetch;
globalThis.fetch = async (request, options) => {
  const answer = await original(request, options);
  const content = await answer.arrayBuffer();
  if (answer.url.startsWith(`${address}store/`)) {
    counts.requests += 1;
    counts.nbytes += content.byteLength;
  }
  return new Response(content, { status: answer.status, headers: answer.headers });
};

const { readerOf } = await import("./planes.js");
const facts = await (await fetch(`${address}facts.json`)).json();
const index = facts.cuts.map(({ n }) => Math.floor(n / 2));
const reader = await readerOf(facts, { index, frame: 0 });
if (reader.name !== "page") {
  throw new Error("the page cannot decode this store");
}
const cut = facts.cuts[0];
const wanted = { cut, number: 0, index: index[0], frame: 0, region: true, isWanted: () => true };
let first;
await reader.read(wanted, ({ isWhole }) => {
  first ??= { ...counts };
  counts.isWhole = isWhole;
});
if (!counts.isWhole) {
  throw new Error("the plane was not shown");
}
console.log(JSON.stringify({ ...first, whole_requests: counts.requests, whole_nbytes: counts.nbytes }));
