/** SHA-256 of bytes, as lower-case hexadecimal. Needs a secure context (https, or http on loopback). */
export async function sha256(bytes: Uint8Array<ArrayBuffer> | ArrayBuffer): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) {
    throw new Error("this address is not a secure context: serve the site over https (or http://127.0.0.1)");
  }
  return hex(await crypto.subtle.digest("SHA-256", bytes));
}

export function hex(buffer: ArrayBuffer): string {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
