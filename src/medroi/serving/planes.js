// Where the page's planes come from: the store, decoded here, or the server, which decodes it.

/** Fetch something of this server. */
export async function ask(path) {
  const answer = await fetch(path);
  if (!answer.ok) {
    throw new Error((await answer.text()).trim());
  }
  return answer;
}

const ARRAYS = {
  i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array,
  i4: Int32Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array,
};
// Shares of the tissue that are black and white at first.
const WINDOW = [0.01, 0.995];

/** A reader of planes: the store's own where this page can decode it. `place` is what is shown first. */
export async function readerOf(facts, place) {
  if (facts.metadata) {
    try {
      const decoder = await import("./decoder/decoder.js");
      const volume = await decoder.open(new URL("store", location.href).href, { metadata: facts.metadata });
      const reader = new StoreReader(facts, volume);
      await reader.start(place);
      return reader;
    } catch (error) {
      console.warn(error);
    }
  }
  const reader = new ServerReader(facts);
  await reader.start();
  return reader;
}

/** Planes that the server decodes. */
class ServerReader {
  name = "server";
  #facts;

  constructor(facts) {
    this.#facts = facts;
  }

  async start() {
    this.window = await (await ask("window.json")).json();
  }

  /** Show the plane that is wanted, with a mark for each kept voxel where these are wanted too. */
  async read({ number, index, frame, region }, show) {
    const path = `${number}/${index}/${frame}`;
    const [plane, kept] = await Promise.all([
      ask(`planes/${path}`).then((answer) => answer.arrayBuffer()),
      region ? ask(`regions/${path}`).then((answer) => answer.arrayBuffer()) : null,
    ]);
    const values = new ARRAYS[this.#facts.dtype](plane);
    show({ values, kept: kept && new Uint8Array(kept), isWhole: true });
  }
}

/** Planes that this page decodes: those of the smallest level first, then all voxels. */
class StoreReader {
  name = "page";
  #facts;
  #volume;

  constructor(facts, volume) {
    this.#facts = facts;
    this.#volume = volume;
    this.isSmallFirst = volume.nLevels > 1;
  }

  async start({ index, frame }) {
    const level = await this.#volume.level(this.#volume.nLevels - 1);
    // Without a small level one cut has to do: it is a third of the chunks, or fewer.
    const cuts = this.isSmallFirst ? this.#facts.cuts : this.#facts.cuts.slice(0, 1);
    const planes = cuts.map(({ axis }, number) => {
      const along = "xyz".indexOf(axis);
      return level.plane(along, Math.floor(index[number] / (level.factors[along] ?? 1)), frame);
    });
    this.window = windowOf(await Promise.all(planes), this.#facts.background);
  }

  async read({ cut, index, frame, region, isWanted }, show) {
    if (this.isSmallFirst) {
      const level = await this.#volume.level(this.#volume.nLevels - 1);
      const along = "xyz".indexOf(cut.axis);
      const plane = await level.plane(along, Math.floor(index / (level.factors[along] ?? 1)), frame);
      const values = turned(cut, plane, plane.values, level.factors);
      show({ values, kept: null, isWhole: false });
    }
    if (isWanted()) {
      const level = await this.#volume.level(0);
      const plane = await level.plane("xyz".indexOf(cut.axis), index, frame);
      show({
        values: turned(cut, plane, plane.values, level.factors),
        kept: region ? turned(cut, plane, plane.kept, level.factors) : null,
        isWhole: true,
      });
    }
  }
}

/** Rows of pixels as the cut wants them; each voxel of a smaller level takes the place of its own. */
function turned(cut, { shape }, voxels, factors) {
  const out = new voxels.constructor(cut.rows * cut.columns);
  const [rowAxis, columnAxis] = ["xyz".indexOf(cut.row_axis), "xyz".indexOf(cut.column_axis)];
  const [rowStep, columnStep] = rowAxis < columnAxis ? [1, shape[0]] : [shape[0], 1];
  const [rowFactor, columnFactor] = [factors[rowAxis] ?? 1, factors[columnAxis] ?? 1];
  for (let row = 0, to = 0; row < cut.rows; row++) {
    const y = Math.floor((cut.flips_rows ? cut.rows - 1 - row : row) / rowFactor);
    for (let column = 0; column < cut.columns; column++) {
      const x = Math.floor((cut.flips_columns ? cut.columns - 1 - column : column) / columnFactor);
      out[to++] = voxels[y * rowStep + x * columnStep];
    }
  }
  return out;
}

/** Values that are black and white at first. */
function windowOf(planes, background) {
  const tissue = planes.flatMap(({ values }) =>
    Array.from(values).filter((value) => Number.isFinite(value) && value !== background));
  if (tissue.length === 0) {
    return [0, 1];
  }
  const sorted = Float64Array.from(tissue).sort();
  const [low, high] = WINDOW.map((share) => {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    const above = sorted[Math.min(below + 1, sorted.length - 1)];
    return sorted[below] + (place - below) * (above - sorted[below]);
  });
  return [low, high > low ? high : low + 1];
}
