import { describe, expect, it } from "vitest";
import { type CallSpec, PreparedCall } from "../src/engine/call";
import { FeedError, type InputInfo, type Tensor, fed } from "../src/engine/tensor";

const X: InputInfo = { name: "X", dtype: "float32", shape: [null, 2] };

describe("fed", () => {
  it("infers the one open size", () => {
    expect(fed(X, new Float32Array(6)).dims).toEqual([3, 2]);
    expect(fed(X, [1, 2]).data).toEqual(Float32Array.of(1, 2));
    expect(fed({ ...X, shape: [1, 2] }, [1, 2]).dims).toEqual([1, 2]);
    expect(fed({ ...X, shape: null }, { data: Float32Array.of(1), dims: [1] }).dims).toEqual([1]);
  });

  it.each([
    ["an odd number of elements", X, new Float32Array(5), "a multiple of 2 elements, but got 5"],
    ["a wrong type", X, new Float64Array(2), "expects float32: give it a Float32Array"],
    ["dims that lie", X, { data: new Float32Array(4), dims: [1, 2] }, "has 4 elements, but dims [1,2]"],
    ["dims that do not fit", X, { data: new Float32Array(3), dims: [1, 3] }, "shape [?, 2], but got [1, 3]"],
    ["two open sizes", { ...X, shape: [null, null] }, new Float32Array(4), "leaves 2 sizes open"],
    ["numbers for 64-bit integers", { ...X, dtype: "int64" }, [1, 2], "give it a BigInt64Array"],
    ["numbers for strings", { ...X, dtype: "string" }, [1, 2], "expects strings"],
    ["nothing", X, undefined, "no value was fed for input 'X'"],
  ] as const)("refuses %s", (_, info, feed, message) => {
    const attempt = (): unknown => fed(info as InputInfo, feed as Tensor);
    expect(attempt).toThrow(FeedError);
    expect(attempt).toThrow(message);
  });
});

/** A "core" whose program doubles the input, and whose memory may grow. */
function doubler(spec: Partial<CallSpec> = {}) {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const state = { grow: false, refuse: "" };
  const call = new PreparedCall(
    {
      inputs: [{ name: "X", dtype: "float32", shape: [1, 2] }],
      take: [0],
      outputs: [{ dtype: "float32", shape: [1, 2] }],
      results: [{ name: "Y", from: 0, labels: null }],
      texts: null,
      ...spec,
    },
    {
      memory,
      inputs: [8],
      outputs: [16],
      error: 64,
      run: () => {
        if (state.grow) memory.grow(1);
        const floats = new Float32Array(memory.buffer);
        floats.set(Array.from(floats.subarray(2, 4), (v) => 2 * v), 4);
        new Uint8Array(memory.buffer).set(new TextEncoder().encode(`${state.refuse}\0`), 64);
        return state.refuse === "" ? 1 : 0;
      },
    },
  );
  return { call, state };
}

describe("PreparedCall", () => {
  it("writes feeds into memory and copies results out", () => {
    const { call } = doubler();
    const first = call.run([Float32Array.of(1, 2)]);
    expect(call.run([Float32Array.of(5, 6)])).toEqual({ Y: { data: Float32Array.of(10, 12), dims: [1, 2] } });
    expect(first).toEqual({ Y: { data: Float32Array.of(2, 4), dims: [1, 2] } });
  });

  it("looks again when the memory has grown", () => {
    const { call, state } = doubler();
    state.grow = true;
    for (const x of [1, 2]) expect((call.run([Float32Array.of(x, 0)]).Y as Tensor).data).toEqual(Float32Array.of(2 * x, 0));
  });

  it("throws what the core says", () => {
    const { call, state } = doubler();
    state.refuse = "an index is out of range";
    expect(() => call.run([Float32Array.of(1, 2)])).toThrow("an index is out of range");
    expect(() => call.run([Float32Array.of(1)])).toThrow("input 'X' takes 2 elements, but got 1");
  });

  it("gives ZipMap's rows as objects, and an input that is an output back", () => {
    const results = [
      { name: "scores", from: 0, labels: ["no", "yes"] },
      { name: "same", from: ~0, labels: null },
    ];
    const x = Float32Array.of(1, 2);
    const got = doubler({ results }).call.run([x]);
    expect(got).toEqual({ scores: [{ no: 2, yes: 4 }], same: { data: x, dims: [1, 2] } });
    expect((got.same as Tensor).data).not.toBe(x);
  });

  it("numbers strings, those it never saw too", () => {
    const text = { dtype: "string", shape: [2] };
    const spec: Partial<CallSpec> = {
      inputs: [{ name: "X", ...text }],
      outputs: [text],
      texts: ["", "a", "b"],
    };
    const memory = { buffer: new ArrayBuffer(64) };
    const call = new PreparedCall(
      { ...doubler().call.spec, ...spec },
      { memory, inputs: [8], outputs: [8], error: 0, run: () => 1 },
    );
    for (const texts of [["b", "new"], ["other", "other"], ["", "a"]]) {
      expect(call.run([texts])).toEqual({ Y: { data: texts, dims: [2] } });
    }
  });
});
