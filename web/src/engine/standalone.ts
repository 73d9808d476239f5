/** A packed plan in the core without Python: `strandline.runtime.planfile` and `py/core/standalone.c` from JavaScript. */

import { type CallSpec, PreparedCall } from "./call";
import { sizeOf, viewOf } from "./tensor";

const MAGIC = "strandline.plan\n";
const SCHEMA = "strandline.plan/1";
const FIXED = 64; // bytes before the header
const BUFFER = 8; // an sl_buffer: address and length

interface Header {
  schema: string;
  panel: number;
  kernels: Record<string, number>;
  arena: number;
  /** Offset and length, from the header's end. */
  tensors: [number, number];
  code: [number, number];
  constants: [number, number][];
  call: CallSpec;
}

interface Core {
  memory: WebAssembly.Memory;
  _initialize?(): void;
  alloc(bytes: number): number;
  kernel(opcode: number): number;
  panel(): number;
  open(...words: number[]): number;
  run(bound: number): number;
}

/** Opens a plan file in a core of its own. Throws when the two do not belong together, or the plan is damaged. */
export async function openPlan(plan: Uint8Array<ArrayBuffer>, module: WebAssembly.Module): Promise<PreparedCall> {
  const { header, body } = parse(plan);
  const instance = await WebAssembly.instantiate(module, system(module));
  const core = instance.exports as unknown as Core;
  core._initialize?.();
  if (core.panel() !== header.panel) throw new Error(`the plan's constants are packed for panels of ${header.panel} columns`);

  const take = (bytes: number): number => {
    const address = core.alloc(bytes);
    if (address === 0) throw new Error(`there are no ${bytes} bytes of memory for the plan`);
    return address >>> 0;
  };
  const bytes = plan.subarray(body);
  const base = take(bytes.byteLength);
  new Uint8Array(core.memory.buffer, base, bytes.byteLength).set(bytes);
  const table = (buffers: [number, number][]): number => {
    const address = take(buffers.length * BUFFER);
    new Uint32Array(core.memory.buffer, address, buffers.length * 2).set(buffers.flat());
    return address;
  };
  const tensors = ({ dtype, shape }: { dtype: string; shape: number[] }): [number, number] => {
    const size = sizeOf(shape) * viewOf(dtype).BYTES_PER_ELEMENT;
    return [take(size), size];
  };
  const { call } = header;
  const inputs = call.take.map((i) => tensors(call.inputs[i] as CallSpec["inputs"][0]));
  const outputs = call.outputs.map(tensors);
  const constants = table(header.constants.map(([offset, length]) => [base + offset, length]));
  const buffers = table([...inputs, ...outputs]);
  rename(core, header, base);
  const bound = core.open(
    base + header.tensors[0], header.tensors[1],
    base + header.code[0], header.code[1],
    constants, header.constants.length,
    header.arena, buffers, inputs.length, outputs.length,
  ); // prettier-ignore
  if (bound === 0) throw new Error("there is no memory for the plan");
  const places = call.inputs.map((_, i) => inputs[call.take.indexOf(i)]?.[0] ?? 0);
  return new PreparedCall(call, {
    memory: core.memory,
    inputs: places,
    outputs: outputs.map(([address]) => address),
    run: () => core.run(bound),
    error: bound,
  });
}

function parse(plan: Uint8Array<ArrayBuffer>): { header: Header; body: number } {
  const text = new TextDecoder();
  if (plan.byteLength < FIXED || text.decode(plan.subarray(0, MAGIC.length)) !== MAGIC) throw new Error("this is no plan file");
  const length = new DataView(plan.buffer, plan.byteOffset).getUint32(MAGIC.length, true);
  const header = JSON.parse(text.decode(plan.subarray(FIXED, FIXED + length))) as Header;
  if (header.schema !== SCHEMA) throw new Error(`the plan file has schema ${header.schema}, not ${SCHEMA}`);
  return { header, body: FIXED + length };
}

/** Gives the code, which names kernels by the opcodes of whoever wrote it, this core's opcodes. */
function rename(core: Core, { kernels, code: [offset, length] }: Header, base: number): void {
  const here = new Map<string, number>();
  for (let opcode = 0, at = core.kernel(0); at !== 0; at = core.kernel(++opcode)) here.set(name(core, at), opcode);
  const ours = new Map<number, number>();
  for (const [kernel, opcode] of Object.entries(kernels)) {
    const found = here.get(kernel);
    if (found === undefined) throw new Error(`the core has no kernel ${kernel}, which the plan needs`);
    ours.set(opcode, found);
  }
  if ([...ours].every(([theirs, mine]) => theirs === mine)) return;
  const words = new Int32Array(core.memory.buffer, base + offset, length / 4); // int64, all of them small here
  for (let at = 0; at < words.length; ) {
    words[at] = ours.get(words[at] as number) ?? -1;
    at += 2 * (4 + (words[at + 2] as number) + (words[at + 4] as number) + (words[at + 6] as number));
  }
}

function name(core: Core, address: number): string {
  const bytes = new Uint8Array(core.memory.buffer, address, 64);
  return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
}

/** The C library's doors to a system, all of them shut: the core opens none. */
function system(module: WebAssembly.Module): WebAssembly.Imports {
  const imports: Record<string, Record<string, () => number>> = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => 0;
  return imports;
}
