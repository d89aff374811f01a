// A folder over HTTP, with or without ranges, that counts what it sends.
import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

/** Serve a folder: the server, its address, bytes of every answer, and whether it knows ranges. */
export async function serve(folder) {
  const served = { sent: [], hasRanges: true };
  served.server = createServer((request, response) => {
    const file = join(folder, decodeURIComponent(request.url));
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    const whole = readFileSync(file);
    const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const isPart = served.hasRanges && first !== undefined;
    const start = !isPart ? 0 : first ? Number(first) : whole.length - Number(last);
    const body = whole.subarray(start, isPart && first && last ? Number(last) + 1 : whole.length);
    const headers = isPart ? { "Content-Range": `bytes ${start}-${start + body.length - 1}/${whole.length}` } : {};
    served.sent.push(body.length);
    response.writeHead(isPart ? 206 : 200, { "Content-Length": body.length, ...headers });
    response.end(request.method === "HEAD" ? undefined : body);
  });
  await new Promise((resolve) => served.server.listen(0, "127.0.0.1", resolve));
  served.root = `http://127.0.0.1:${served.server.address().port}`;
  return served;
}
