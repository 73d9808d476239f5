/** The page's side of the service worker. */

import { byId } from "../ui/dom";
import { showOffline } from "./status";

interface Message {
  kind: "update";
  version: string;
}

/** To be called while the page's script starts: what the service worker says later than that is not missed. */
export function listen(): void {
  navigator.serviceWorker?.addEventListener("message", ({ data }: MessageEvent<Message>) => {
    if (data.kind === "update") offerUpdate(data.version);
  });
  if (navigator.serviceWorker?.controller) showOffline("ready");
  byId("update-now").addEventListener("click", () => location.reload());
}

/** Registers the service worker. Once the model runs, its files are in the version's cache and are not fetched again. */
export async function goOffline(site: string): Promise<void> {
  const container = navigator.serviceWorker;
  if (container === undefined) return;
  try {
    const registration = await container.register(new URL("sw.js", site), { scope: site, updateViaCache: "none" });
    if (registration.active === null) showOffline("saving");
    await container.ready;
    showOffline("ready");
  } catch (error) {
    console.warn("strandline: no offline copy", error); // the page works all the same, with a network
    showOffline("none");
  }
}

function offerUpdate(version: string): void {
  byId("update-text").textContent = `Version ${version} is here.`;
  byId("update").hidden = false;
}
