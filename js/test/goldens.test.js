// Streams written once are decoded for ever, and bad ones refused for ever: with and without SIMD.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { decode, decodeBox, hasSimd, inspect, keptMask, MedROIError } from "medroi";
import { load as loadJpeg2000 } from "medroi/jpeg2000";
import { loadKernel } from "../src/kernel.js";
import { arrayOf, bytesOf, inCOrder, names, streamOf } from "./goldens.js";

const GOOD = names(/^v.*\.medroi$/);
const BAD = names(/^bad-.*\.medroi$/);
const SLABS = names(/^part-.*\.bin$/);
const INNER_IDS = { wavelet3d: 4, predict3d: 5 };

before(loadJpeg2000);

test("the goldens are there, and this machine runs both builds", () => {
  assert.ok(GOOD.length >= 25 && BAD.length >= 67 && SLABS.length >= 20);
  assert.ok(hasSimd());
});

for (const simd of [true, false]) {
  describe(simd ? "with SIMD" : "without SIMD", () => {
    for (const name of GOOD) {
      test(`${name} decodes to what it always did`, async () => {
        const expected = arrayOf(name);
        const found = await decode(bytesOf(`${name}.medroi`), { simd });
        const itemsize = found.bytes.length / found.shape.reduce((n, size) => n * size, 1);
        assert.deepEqual(found.shape, expected.shape);
        assert.equal(found.dtype.slice(1, 2), expected.dtype.slice(1, 2));
        assert.deepEqual(inCOrder(found, itemsize), inCOrder(expected, itemsize));
      });

      test(`a box of ${name} holds what the whole has there`, async () => {
        const expected = arrayOf(name);
        const stream = bytesOf(`${name}.medroi`);
        const { itemsize, shape } = await inspect(stream, { simd });
        const start = shape.map((size) => Math.floor(size / 3));
        const stop = shape.map((size) => size - Math.floor(size / 4));
        const box = await decodeBox(stream, start, stop, { simd });
        assert.deepEqual(box.bytes, crop(inCOrder(expected, itemsize), shape, start, stop, itemsize));
      });

      test(`what ${name} does not keep is background`, async () => {
        const stream = bytesOf(`${name}.medroi`);
        const info = await inspect(stream, { simd });
        const kept = await keptMask(stream, { simd });
        const { bytes, order } = await decode(stream, { simd });
        assert.equal(kept.order, order);
        const background = new Uint8Array(new BigUint64Array([info.backgroundBits]).buffer, 0, info.itemsize);
        if (info.bigEndian) background.reverse();
        const n = kept.data.filter((mark) => mark === 0).length;
        kept.data.forEach((mark, i) => {
          const element = bytes.subarray(i * info.itemsize, (i + 1) * info.itemsize);
          assert.ok(mark === 1 || (mark === 0 && element.every((byte, k) => byte === background[k])), `${i}`);
        });
        const inBox = info.start.reduce((product, start, i) => product * (info.stop[i] - start), 1);
        assert.ok(info.isMask ? kept.data.length - n <= inBox : kept.data.length - n === inBox);
      });
    }

    for (const name of SLABS) {
      test(`${name} decodes to what it always did`, async () => {
        const expected = arrayOf(name);
        const stream = streamOf(bytesOf(`${name}.bin`), INNER_IDS[name.split("-")[1]], expected);
        const found = await decode(stream, { simd });
        assert.deepEqual(found.bytes, expected.bytes);
      });
    }

    for (const name of BAD) {
      test(`${name} is refused`, async () => {
        await assert.rejects(decode(bytesOf(`${name}.medroi`), { simd }), isRefusal);
        // Marks do not depend on the payload: what is bad there alone has them.
        const marks = await keptMask(bytesOf(`${name}.medroi`), { simd }).catch((error) => error);
        assert.ok(marks.data?.every((mark) => mark <= 1) || isRefusal(marks));
      });
    }

    test("every prefix of a stream is refused", async () => {
      const stream = bytesOf("v1-zstd-hull-fortran-4d.medroi");
      for (let length = 0; length < stream.length; length += 7) {
        await assert.rejects(decode(stream.subarray(0, length), { simd }), isRefusal);
      }
    });

    test("slabs with any byte changed are refused or decode to as many bytes", async () => {
      for (const name of SLABS) {
        const array = arrayOf(name);
        const slab = bytesOf(`${name}.bin`);
        const random = generator(1);
        for (let k = 0; k < 12; k++) {
          const changed = slab.slice();
          changed[Math.floor(random() * slab.length)] ^= 1 + Math.floor(random() * 255);
          const stream = streamOf(changed, INNER_IDS[name.split("-")[1]], array);
          try {
            assert.equal((await decode(stream, { simd })).bytes.length, array.bytes.length);
          } catch (error) {
            assert.ok(isRefusal(error), error);
          }
        }
      }
    });

    test("zstd slabs with any byte changed are refused or decode to as many bytes", async () => {
      for (const name of ["v1-zstd-fortran-float32", "v1-zstd-float16-lossless", "v1-zstd-mask-dropped-signal"]) {
        const golden = bytesOf(`${name}.medroi`);
        const info = await inspect(golden, { simd });
        assert.equal(info.nSlabs, 1);
        const n = info.start.reduce((product, start, i) => product * (info.stop[i] - start), 1);
        const array = { dtype: info.dtype, shape: [n] };
        const slab = golden.subarray(info.headerNbytes);
        const whole = await decode(streamOf(slab, 2, array), { simd });
        assert.equal(whole.bytes.length, n * info.itemsize);
        const random = generator(2);
        for (let k = 0; k < 300; k++) {
          const changed = slab.slice();
          changed[Math.floor(random() * slab.length)] ^= 1 + Math.floor(random() * 255);
          try {
            const { bytes } = await decode(streamOf(changed, 2, array), { simd });
            assert.equal(bytes.length, n * info.itemsize);
          } catch (error) {
            assert.ok(isRefusal(error), error);
          }
        }
      }
    });

    test("refusing took no more than 128 MiB of memory", async () => {
      const kernel = await loadKernel(simd);
      assert.ok(kernel.memoryNbytes <= 2 ** 27, `${kernel.memoryNbytes} bytes`);
    });
  });
}

test("an array that is too large is refused before it is decoded", async () => {
  const stream = bytesOf("v1-raw-box.medroi");
  await assert.rejects(decode(stream, { maxNbytes: 100 }), { code: "invalid-argument" });
  await assert.rejects(decodeBox(stream, [0, 0, 0], [10, 12, 11], { maxNbytes: 100 }), {
    code: "invalid-argument",
  });
});

test("a box outside the array is refused", async () => {
  const stream = bytesOf("v1-raw-box.medroi");
  for (const [start, stop] of [
    [[0, 0, 0], [10, 12, 12]],
    [[-1, 0, 0], [1, 1, 1]],
    [[2, 0, 0], [1, 1, 1]],
    [[0, 0], [1, 1]],
    [[0, 0, 0.5], [1, 1, 1]],
  ]) {
    await assert.rejects(decodeBox(stream, start, stop), { code: "invalid-argument" });
  }
});

const REFUSALS = ["corrupt-stream", "unsupported-version", "inner-unavailable"];

function isRefusal(error) {
  return error instanceof MedROIError && REFUSALS.includes(error.code);
}

function crop(bytes, shape, start, stop, itemsize) {
  const box = shape.map((_, i) => stop[i] - start[i]);
  const n = box.reduce((product, size) => product * size, 1);
  const out = new Uint8Array(n * itemsize);
  for (let k = 0; k < n; k++) {
    let rest = k;
    let at = 0;
    let step = 1;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += (start[axis] + (rest % box[axis])) * step;
      rest = Math.floor(rest / box[axis]);
      step *= shape[axis];
    }
    out.set(bytes.subarray(at * itemsize, (at + 1) * itemsize), k * itemsize);
  }
  return out;
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
