// A packed scan behind a URL, plane by plane: only the chunks that a plane touches are read.
import { INVALID_ARGUMENT, MedROIError } from "./errors.js";
import { keptMask } from "./index.js";
import { register, streamOf } from "./zarrita.js";

const KEPT_NBYTES = 2 ** 28;
// Two ranges that are this near to each other are read as one.
const GAP_NBYTES = 2 ** 17;
// Of a plane, voxels and the chunks that they lie in: metadata alone must not fill the memory.
const MAX_VOXELS = 2 ** 28;
const MAX_CHUNKS = 2 ** 20;
const CHUNK = /(^|\/)c([/.]\d+)*$/;
// Of a level, below its group: nothing leads out of the store.
const PATH = /^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/;
const REGION = "medroi_region";

/**
 * Open a Zarr 3 array, or an OME-Zarr 0.5 group, that MedROI wrote.
 *
 * @param zarr the module zarrita
 * @param url of the folder
 * @param metadata what zarr.json of some keys holds, such as {"/zarr.json": ...}, which is then not fetched
 * @param keptNbytes decoded chunks are kept up to this, of all levels together
 */
export async function openVolume(zarr, url, { metadata = {}, keptNbytes = KEPT_NBYTES } = {}) {
  register(zarr);
  const store = zarr.withRangeCoalescing(filesOf(zarr, url, metadata), { coalesceSize: GAP_NBYTES });
  const root = zarr.root(store);
  const node = await zarr.open.v3(root);
  const chunks = new Chunks(keptNbytes);
  if (node.kind === "array") {
    return new Volume([{ factors: node.shape.map(() => 1), open: async () => node }], false, chunks);
  }
  const datasets = datasetsOf(node.attrs.ome?.multiscales);
  if (!datasets) {
    throw new MedROIError(INVALID_ARGUMENT, `${url}: a Zarr group without an image of OME-Zarr 0.5`);
  }
  const first = scaleOf(datasets[0]);
  const levels = datasets.map((dataset) => ({
    factors: scaleOf(dataset).map((step, axis) => Math.round(step / first[axis])),
    open: () => zarr.open.v3(root.resolve(dataset.path), { kind: "array" }),
  }));
  return new Volume(levels, true, chunks);
}

/** The levels of the first image; undefined where they are not as OME-Zarr has them. */
function datasetsOf(images) {
  const datasets = Array.isArray(images) ? images[0]?.datasets : undefined;
  const isLevel = (one) =>
    typeof one?.path === "string" && PATH.test(one.path) && scaleOf(one)?.every((step) => step > 0);
  return Array.isArray(datasets) && datasets.length > 0 && datasets.every(isLevel) ? datasets : undefined;
}

function scaleOf({ coordinateTransformations: all }) {
  const scale = Array.isArray(all) ? all.find((one) => one?.type === "scale")?.scale : undefined;
  return Array.isArray(scale) ? scale : undefined;
}

/** Files by ranges. A server's failure for one is an error, and never taken for background. */
function filesOf(zarr, url, metadata) {
  const files = new zarr.FetchStore(url, {
    useSuffixRequest: true, // the index of a shard takes one request
    fetch: async (request) => {
      const answer = await fetch(request);
      if (answer.status === 200 && request.headers.has("Range")) {
        throw new Error(`${request.url}: the server sent the whole file where a part was asked for`);
      }
      return answer;
    },
  });
  const present = (key, found) => {
    if (found === undefined && CHUNK.test(key)) {
      throw new Error(`${key}: not there; a packed scan has every chunk`);
    }
    return found;
  };
  return {
    async get(key, options) {
      return key in metadata
        ? new TextEncoder().encode(JSON.stringify(metadata[key]))
        : present(key, await files.get(key, options));
    },
    async getRange(key, range, options) {
      return present(key, await files.getRange(key, range, options));
    },
  };
}

/** The levels of an image, the first of which has all voxels. */
export class Volume {
  #levels;
  #isReversed;
  #chunks;

  constructor(levels, isReversed, chunks) {
    this.#levels = levels;
    this.#isReversed = isReversed;
    this.#chunks = chunks;
  }

  get nLevels() {
    return this.#levels.length;
  }

  /** One level, its axes those of the scan: x, y, z(, t). */
  level(number) {
    const level = this.#levels[number];
    if (!level) {
      throw new MedROIError(INVALID_ARGUMENT, `no level ${number} of ${this.nLevels}, counted from 0`);
    }
    level.opened ??= this.#open(level, number);
    return level.opened;
  }

  async #open(level, number) {
    try {
      const turned = (items) => (this.#isReversed ? [...items].reverse() : [...items]);
      return new Level(await level.open(), number, turned, turned(level.factors), this.#chunks);
    } catch (error) {
      level.opened = undefined; // it may be there the next time
      throw error;
    }
  }
}

class Level {
  #array;
  #number;
  #turned;
  #chunks;
  #region;

  constructor(array, number, turned, factors, chunks) {
    this.#array = array;
    this.#number = number;
    this.#turned = turned;
    this.#chunks = chunks;
    this.shape = turned(array.shape);
    /** How many voxels of the first level became one, along each axis. */
    this.factors = factors;
    const region = array.attrs[REGION];
    this.#region = region && {
      box: turned(region.box),
      isBox: region.roi === "box",
      background: Number(region.background),
    };
  }

  /**
   * Voxels across one of the axes x, y, z: `values` of the other two, the earlier one fastest, and
   * `kept`, 1 for each voxel inside the region.
   */
  async plane(axis, index, frame = 0) {
    const shape = [...this.shape, 1, 1].slice(0, Math.max(3, this.shape.length));
    const nFrames = shape.slice(3).reduce((product, size) => product * size, 1);
    const isPlace = (place, size) => Number.isInteger(place) && 0 <= place && place < size;
    if (!isPlace(axis, 3) || !isPlace(index, shape[axis]) || !isPlace(frame, nFrames)) {
      throw new MedROIError(
        INVALID_ARGUMENT,
        `no plane ${index} across axis ${axis} of frame ${frame} in an array of shape [${this.shape}]`,
      );
    }
    const bounds = shape.map((size, at) => {
      if (at < 3) {
        return at === axis ? [index, index + 1] : [0, size];
      }
      const one = frame % size;
      frame = Math.floor(frame / size);
      return [one, one + 1];
    });
    const across = [0, 1, 2].filter((other) => other !== axis);
    const sizes = across.map((other) => shape[other]);
    const lengths = [...this.#turned(this.#array.chunks), 1, 1];
    const [nVoxels, nChunks] = across.reduce(
      ([voxels, chunks], other) => [voxels * shape[other], chunks * Math.ceil(shape[other] / lengths[other])],
      [1, 1],
    );
    if (nVoxels > MAX_VOXELS || nChunks > MAX_CHUNKS) {
      throw new MedROIError(
        INVALID_ARGUMENT,
        `a plane of ${nVoxels} voxels in ${nChunks} chunks; at most ${MAX_VOXELS} in ${MAX_CHUNKS} are read`,
      );
    }
    const out = { values: undefined, kept: new Uint8Array(sizes[0] * sizes[1]), shape: sizes };
    const read = touched(bounds, lengths).map(async (position) => {
      const chunk = await this.#chunk(position.slice(0, this.shape.length));
      out.values ??= new chunk.data.constructor(out.kept.length);
      this.#paste(chunk, position.map((at, i) => at * lengths[i]), lengths, bounds, across, out);
    });
    await Promise.all(read);
    return out;
  }

  #chunk(position) {
    return this.#chunks.get(`${this.#number}/${position}`, async () => {
      const { data, stride } = await this.#array.getChunk(this.#turned(position));
      const stream = streamOf(data);
      const chunk = { data: numbersOf(data), stride: [...this.#turned(stride), 0, 0], hasStream: !!stream };
      if (stream && !this.#region) {
        const kept = await keptMask(stream);
        chunk.kept = { data: kept.data, stride: [...this.#turned(kept.stride), 0, 0] };
      }
      return chunk;
    });
  }

  #paste(chunk, origin, lengths, bounds, across, out) {
    const ranges = bounds.map(([start, stop], i) => [
      Math.max(start, origin[i]),
      Math.min(stop, origin[i] + lengths[i]),
    ]);
    const offset = (stride, at) => at.reduce((sum, place, i) => sum + (place - origin[i]) * stride[i], 0);
    const [a, b] = across;
    const at = ranges.map(([start]) => start);
    for (let j = ranges[b][0]; j < ranges[b][1]; j++) {
      at[b] = j;
      at[a] = ranges[a][0];
      let from = offset(chunk.stride, at);
      let mark = chunk.kept && offset(chunk.kept.stride, at);
      let to = j * out.shape[0] + at[a];
      for (let i = at[a]; i < ranges[a][1]; i++, to++, from += chunk.stride[a]) {
        out.values[to] = chunk.data[from];
        if (chunk.kept) {
          out.kept[to] = chunk.kept.data[mark];
          mark += chunk.kept.stride[a];
        } else if (chunk.hasStream) {
          at[a] = i;
          out.kept[to] = this.#isKept(at, chunk.data[from]) ? 1 : 0;
        }
      }
    }
  }

  /** Of crops of one mask the store has the box alone: what is background may have been dropped. */
  #isKept(at, value) {
    const { box, isBox, background } = this.#region;
    const isInside = box.every(([start, stop], i) => start <= at[i] && at[i] < stop);
    return isInside && (isBox || !Object.is(value, background));
  }
}

/** Chunks that were decoded, the latest of them. */
class Chunks {
  #limit;
  #found = new Map();

  constructor(limit) {
    this.#limit = limit;
  }

  get(key, decode) {
    let entry = this.#found.get(key);
    this.#found.delete(key);
    entry ??= { nbytes: 0, chunk: this.#decoded(key, decode) };
    this.#found.set(key, entry);
    return entry.chunk;
  }

  async #decoded(key, decode) {
    try {
      const chunk = await decode();
      const entry = this.#found.get(key);
      if (entry) {
        entry.nbytes = chunk.data.byteLength + (chunk.kept?.data.byteLength ?? 0);
      }
      this.#forget();
      return chunk;
    } catch (error) {
      this.#found.delete(key);
      throw error;
    }
  }

  #forget() {
    let nbytes = 0;
    for (const entry of this.#found.values()) {
      nbytes += entry.nbytes;
    }
    for (const [key, entry] of this.#found) {
      if (nbytes <= this.#limit) {
        return;
      }
      this.#found.delete(key);
      nbytes -= entry.nbytes;
    }
  }
}

function touched(bounds, lengths) {
  return bounds.reduce(
    (found, [start, stop], axis) => {
      const first = Math.floor(start / lengths[axis]);
      const last = Math.floor((stop - 1) / lengths[axis]);
      const places = Array.from({ length: last - first + 1 }, (_, i) => first + i);
      return found.flatMap((position) => places.map((at) => [...position, at]));
    },
    [[]],
  );
}

/** Numbers that a picture is made of: bools are 0 and 1, 64-bit integers the nearest doubles. */
function numbersOf(data) {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    return Float64Array.from(data, Number);
  }
  return ArrayBuffer.isView(data) ? data : new Uint8Array(data.buffer, data.byteOffset, data.length);
}
