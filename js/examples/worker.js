// A module worker that decodes streams beside the page. Copy it next to your own scripts:
//
//   const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
//   worker.postMessage({ id: 1, stream }, [stream.buffer]);
//   worker.onmessage = ({ data: { id, array, error } }) => { ... };
import { decode, decodeBox } from "medroi";

self.onmessage = async ({ data: { id, stream, start, stop } }) => {
  try {
    const array = start ? await decodeBox(stream, start, stop) : await decode(stream);
    self.postMessage({ id, array }, [array.bytes.buffer]);
  } catch (error) {
    self.postMessage({ id, error: String(error.message ?? error) });
  }
};
