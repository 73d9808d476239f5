/** The line that says how things stand: network, offline copy, outbox. */

import type { Manifest, OutboxState } from "../strandline";
import { byId } from "../ui/dom";
import { count, counted } from "../ui/format";

function chip(id: string, text: string, state: "good" | "idle" | "bad"): void {
  const element = byId(id);
  element.textContent = text;
  element.className = `chip ${state}`;
  element.hidden = false;
}

export function showNetwork(): void {
  const show = (): void => chip("chip-network", navigator.onLine ? "Online" : "Offline", navigator.onLine ? "good" : "idle");
  addEventListener("online", show);
  addEventListener("offline", show);
  show();
}

export function showOffline(state: "ready" | "saving" | "none"): void {
  if (state === "ready") chip("chip-offline", "Works offline", "good");
  else if (state === "saving") chip("chip-offline", "Saving for offline use", "idle");
  else byId("chip-offline").hidden = true;
}

export function showOutbox(manifest: Manifest, state: OutboxState): void {
  if (manifest.collector === null) return;
  const troubled = state.trouble !== null || state.dropped > 0;
  chip("chip-outbox", `Outbox ${count(state.queued)}`, troubled ? "bad" : state.queued > 0 ? "idle" : "good");
  byId("outbox-pending").textContent = counted(state.pending, "row");
  byId("outbox-queued").textContent = counted(state.queued, "report");
  byId("outbox-sent").textContent = counted(state.sent, "report");
  byId("outbox-aside").textContent = counted(state.quarantined, "report");
  byId("outbox-aside-row").hidden = state.quarantined === 0;
  byId("outbox-dropped").textContent = counted(state.dropped, "report");
  byId("outbox-dropped-row").hidden = state.dropped === 0;
  const trouble = byId("outbox-trouble");
  trouble.textContent = state.trouble === null ? "" : `Not sent yet: ${state.trouble}. It will be tried again.`;
}
