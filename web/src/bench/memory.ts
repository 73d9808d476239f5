/** How much WebAssembly memory a runtime takes, counted for every runtime in the same way. */

const memories = new Set<WebAssembly.Memory>();

/** Remembers every memory from now on, whether JavaScript makes it or a module exports it. */
export function watchMemory(): void {
  const { instantiate, instantiateStreaming } = WebAssembly;
  WebAssembly.Memory = new Proxy(WebAssembly.Memory, {
    construct: (target, args: [WebAssembly.MemoryDescriptor]) => note(new target(...args)),
  });
  WebAssembly.Instance = new Proxy(WebAssembly.Instance, {
    construct: (target, args: [WebAssembly.Module]) => noteExports(new target(...args)),
  });
  Object.assign(WebAssembly, {
    instantiate: async (...args: Parameters<typeof instantiate>) => noteExports(await instantiate(...args)),
    instantiateStreaming: async (...args: Parameters<typeof instantiateStreaming>) =>
      noteExports(await instantiateStreaming(...args)),
  });
}

/** The bytes of all memories seen. Memory never shrinks, so this is the most there ever was. */
export function memoryBytes(): number {
  return [...memories].reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
}

function note(memory: WebAssembly.Memory): WebAssembly.Memory {
  memories.add(memory);
  return memory;
}

function noteExports<T extends object>(made: T): T {
  const instance = "instance" in made ? (made.instance as WebAssembly.Instance) : (made as unknown as WebAssembly.Instance);
  for (const value of Object.values(instance.exports)) if (value instanceof WebAssembly.Memory) note(value);
  return made;
}
