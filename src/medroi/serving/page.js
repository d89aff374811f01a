// Three planes of a packed scan. Everything from the store is shown as text, never as markup.
import { ask, readerOf } from "./planes.js";

const DROPPED_TINT = [40, 25, 70]; // added to what lies outside the region
const MAX_CANVAS_PX = 420;
const DECODERS = { page: "Decoded in this page.", server: "Decoded by medroi view." };

const element = (id) => document.getElementById(id);
const state = { index: [0, 0, 0], frame: 0, low: 0, high: 1, region: true };
let facts;
let reader;
let panes = [];

function made(name, attributes, parent) {
  const found = Object.assign(document.createElement(name), attributes);
  parent.append(found);
  return found;
}

function makePane(cut, number) {
  const figure = made("figure", {}, element("planes"));
  const caption = made("figcaption", {}, figure);
  made("span", { textContent: cut.title }, caption);
  const where = made("span", {}, caption);
  const box = made("div", { className: "pane", tabIndex: 0 }, figure);
  const canvas = made("canvas", { width: cut.columns, height: cut.rows }, box);
  canvas.id = cut.title;
  const wide = cut.columns * cut.column_mm;
  const high = cut.rows * cut.row_mm;
  const scale = MAX_CANVAS_PX / Math.max(wide, high);
  canvas.style.width = `${wide * scale}px`;
  canvas.style.height = `${high * scale}px`;
  ["left", "right", "top", "bottom"].forEach((side, i) => {
    made("span", { className: `edge ${side}`, textContent: cut.edges[i] }, box);
  });
  const slider = made("input", { type: "range", min: 0, max: cut.n - 1, step: 1 }, figure);
  slider.setAttribute("aria-label", `${cut.title} slice`);
  const pane = { cut, number, canvas, where, slider, drawn: 0, asked: 0 };
  slider.addEventListener("input", () => go(number, Number(slider.value)));
  box.addEventListener("wheel", (event) => {
    event.preventDefault();
    go(number, state.index[number] + Math.sign(event.deltaY));
  }, { passive: false });
  box.addEventListener("keydown", (event) => {
    const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
    if (step) {
      event.preventDefault();
      go(number, state.index[number] + step);
    }
  });
  canvas.addEventListener("click", (event) => move(pane, event));
  canvas.addEventListener("mousemove", (event) => {
    if (event.buttons === 2) {
      const unit = (state.high - state.low) / 300;
      setWindow(state.low - event.movementY * unit - event.movementX * unit,
        state.high - event.movementY * unit + event.movementX * unit);
    }
    say(pane, event);
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  return pane;
}

/** Pixel under the mouse: its row and column. */
function pixelAt(pane, event) {
  const { width, height } = pane.canvas.getBoundingClientRect();
  const clamp = (value, n) => Math.min(Math.max(Math.floor(value), 0), n - 1);
  return {
    column: clamp((event.offsetX / width) * pane.cut.columns, pane.cut.columns),
    row: clamp((event.offsetY / height) * pane.cut.rows, pane.cut.rows),
  };
}

function say(pane, event) {
  const { row, column } = pixelAt(pane, event);
  const value = pane.values?.[row * pane.cut.columns + column];
  element("value").textContent = value === undefined ? "" : `stored value ${value}`;
}

/** Move the other two planes to the pixel that was clicked. */
function move(pane, event) {
  const { row, column } = pixelAt(pane, event);
  for (const [along, at] of [
    [pane.cut.column_axis, pane.cut.flips_columns ? pane.cut.columns - 1 - column : column],
    [pane.cut.row_axis, pane.cut.flips_rows ? pane.cut.rows - 1 - row : row],
  ]) {
    go(facts.cuts.findIndex((cut) => cut.axis === along), at);
  }
}

function go(number, index) {
  state.index[number] = Math.min(Math.max(index, 0), facts.cuts[number].n - 1);
  update(panes[number]);
  remember();
}

function setWindow(low, high) {
  if (Number.isFinite(low) && Number.isFinite(high) && high > low) {
    Object.assign(state, { low, high });
    element("low").value = low;
    element("high").value = high;
    panes.forEach(draw);
    remember();
  }
}

/** Fetch what a pane shows now; a slice that comes after a later one is left alone. */
async function update(pane) {
  const index = state.index[pane.number];
  const asked = ++pane.asked;
  pane.slider.value = index;
  pane.where.textContent = `${pane.cut.axis} ${index} of ${pane.cut.n}`;
  const wanted = {
    cut: pane.cut, number: pane.number, index, frame: state.frame, region: state.region,
    isWanted: () => asked === pane.asked,
  };
  try {
    await reader.read(wanted, ({ values, kept, isWhole }) => {
      if (asked >= pane.drawn) {
        Object.assign(pane, { drawn: asked, values, kept, isWhole });
        draw(pane);
      }
    });
  } catch (error) {
    fail(error);
  }
}

function draw(pane) {
  if (!pane.values) {
    return;
  }
  const context = pane.canvas.getContext("2d");
  const image = context.createImageData(pane.cut.columns, pane.cut.rows);
  const scale = 255 / (state.high - state.low);
  for (let i = 0; i < pane.values.length; i++) {
    const grey = Math.min(Math.max(Math.round((pane.values[i] - state.low) * scale), 0), 255);
    const isDropped = state.region && pane.kept && pane.kept[i] === 0;
    for (let k = 0; k < 3; k++) {
      image.data[4 * i + k] = (Number.isNaN(grey) ? 0 : grey) + (isDropped ? DROPPED_TINT[k] : 0);
    }
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  pane.canvas.dataset.drawn = `${state.index[pane.number]}`;
  if (location.search === "?check") {
    check(pane);
  }
}

/** For tests, in the document: what the first picture took of the store, and the pixels' digest at the end. */
async function check(pane) {
  const asked = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/store/"));
  document.body.dataset.firstRequests ??= asked.length;
  document.body.dataset.firstNbytes ??= asked.reduce((sum, one) => sum + one.encodedBodySize, 0);
  if (!pane.isWhole) {
    return;
  }
  const { width, height } = pane.canvas;
  const { data } = pane.canvas.getContext("2d").getImageData(0, 0, width, height);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  pane.canvas.dataset.sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The address of the page says what it shows. */
function remember() {
  const { index, frame, low, high, region } = state;
  const words = new URLSearchParams({ at: index, frame, low, high, region: region ? 1 : 0 });
  history.replaceState(null, "", `${location.pathname}${location.search}#${words}`);
}

function recall() {
  const words = new URLSearchParams(location.hash.slice(1));
  const number = (name, fallback) => {
    const found = words.has(name) ? Number(words.get(name)) : NaN;
    return Number.isFinite(found) ? found : fallback;
  };
  const at = (words.get("at") ?? "").split(",").map(Number);
  facts.cuts.forEach((cut, i) => {
    const isUsable = at.length === facts.cuts.length && Number.isInteger(at[i]);
    state.index[i] = Math.min(Math.max(isUsable ? at[i] : Math.floor(cut.n / 2), 0), cut.n - 1);
  });
  state.low = number("low", NaN);
  state.high = number("high", NaN);
  state.frame = Math.min(Math.max(Math.floor(number("frame", 0)), 0), facts.n_frames - 1);
  state.region = number("region", 1) !== 0;
}

function fail(error) {
  made("p", { className: "error", textContent: error.message }, document.body);
}

async function start() {
  facts = await (await ask("facts.json")).json();
  document.title = `${facts.name} - MedROI`;
  element("name").textContent = facts.name;
  element("facts").textContent = `${facts.shape.join(" x ")} ${facts.stored_dtype}`;
  element("words").textContent = facts.region;
  recall();
  reader = await readerOf(facts, state);
  if (!(state.high > state.low)) {
    [state.low, state.high] = reader.window;
  }
  document.body.dataset.decoder = reader.name;
  element("decoder").textContent = DECODERS[reader.name];
  panes = facts.cuts.map(makePane);
  element("low").value = state.low;
  element("high").value = state.high;
  element("region").checked = state.region;
  element("frame-label").hidden = facts.n_frames === 1;
  element("frame").max = facts.n_frames - 1;
  element("frame").value = state.frame;
  for (const name of ["low", "high"]) {
    element(name).addEventListener("change", () =>
      setWindow(Number(element("low").value), Number(element("high").value)));
  }
  element("region").addEventListener("change", () => {
    state.region = element("region").checked;
    panes.forEach(update);
    remember();
  });
  element("frame").addEventListener("change", () => {
    state.frame = Math.min(Math.max(Number(element("frame").value) || 0, 0), facts.n_frames - 1);
    panes.forEach(update);
    remember();
  });
  element("controls").addEventListener("submit", (event) => event.preventDefault());
  const [first, ...others] = panes;
  if (reader.isSmallFirst) {
    await Promise.all(panes.map(update));
  } else {
    // The first picture waits for its own chunks alone.
    await update(first);
    await Promise.all(others.map(update));
  }
}

start().catch(fail);
