/** Registers the service worker once the model runs: its files are in the HTTP cache and the version's cache by then. */

import { byId } from "../ui/dom";
import { showOffline } from "./status";

interface Message {
  kind: "update" | "offline-ready";
  name?: string;
  version?: string;
}

export async function goOffline(site: string): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  const container = navigator.serviceWorker;
  container.addEventListener("message", ({ data }: MessageEvent<Message>) => {
    if (data.kind === "offline-ready") showOffline("ready");
    if (data.kind === "update") offerUpdate(data.version ?? "");
  });
  container.startMessages();
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
  byId("update-text").textContent = `Version ${version} of the model is here.`;
  byId("update").hidden = false;
  byId("update-now").addEventListener("click", () => location.reload());
}
