/** The worker's outbox: windows, disk and sending put together for one session. */

import type { Label, Labelled, OutboxState, Value } from "../messages";
import { Labels, Recollection } from "../outbox/labels";
import { Sender } from "../outbox/sender";
import { LIMITS, Store } from "../outbox/store";
import { Windows, recover } from "../outbox/windows";
import type { Manifest } from "../site/manifest";
import type { Edge } from "./runtime";

/** What the worker does with windows. A site without a collector stores and sends nothing. */
export interface Outbox {
  begin(): void;
  advance(): Promise<void>;
  /** Keeps predictions by their ids, for labels that come later. */
  remember(ids: readonly string[], kept: readonly Value[][]): Promise<void>;
  label(labels: readonly Label[]): Promise<Labelled>;
  state(): Promise<OutboxState>;
  flush(): Promise<void>;
  nextReport(): string | null;
  visibility(hidden: boolean): Promise<void>;
  close(): Promise<void>;
}

export async function openOutbox(
  site: string,
  manifest: Manifest,
  edge: Edge,
  onState: (state: OutboxState) => void,
): Promise<Outbox> {
  const { collector } = manifest;
  if (collector === null) return withoutCollector(edge);

  const session = crypto.randomUUID();
  const lock = (name: string): string => `strandline ${site} ${name}`;
  let endSession = (): void => {};
  await new Promise<void>((held) => {
    const ended = new Promise<void>((resolve) => (endSession = resolve));
    void navigator.locks.request(lock(session), () => (held(), ended));
  });

  let hidden = false;
  const store = await Store.open(site);
  const sender = new Sender(store, collector, {
    exclusive: async (task) => navigator.locks.request(lock("post"), task),
    onChange: () => void publish(),
    hidden: () => hidden,
  });
  const windows = new Windows(edge, store, session, manifest.window, () => {
    void publish();
    sender.wake();
  });

  const labels = new Labels(edge, store, windows, async (task) => navigator.locks.request(lock("labels"), task));

  const state = async (): Promise<OutboxState> => ({
    ...(await store.counts()),
    pending: edge.pending(),
    sent: sender.sent,
    trouble: sender.trouble,
  });
  const publish = async (): Promise<void> => onState(await state());

  const { held = [] } = await navigator.locks.query();
  const alive = new Set(held.map(({ name = "" }) => name.slice(lock("").length)));
  await recover(store, alive, Date.now());
  const online = (): void => void sender.drain();
  globalThis.addEventListener("online", online);
  sender.wake();

  return {
    begin: () => windows.begin(),
    advance: () => windows.advance(),
    remember: (ids, kept) => labels.remember(ids, kept),
    label: (given) => labels.label(given),
    state,
    flush: async () => {
      await windows.close();
      await sender.drain();
    },
    nextReport: () => windows.peek(),
    visibility: async (nowHidden) => {
      hidden = nowHidden;
      if (hidden) await windows.close();
    },
    close: async () => {
      globalThis.removeEventListener("online", online);
      await windows.close();
      await sender.close();
      store.close();
      endSession();
    },
  };
}

function withoutCollector(edge: Edge): Outbox {
  const nothing = async (): Promise<void> => {};
  const window = { begin: (): void => {}, snapshot: nothing, advance: nothing };
  const labels = new Labels(edge, new Recollection(LIMITS.predictions), window, (task) => task());
  return {
    begin: () => {},
    advance: nothing,
    remember: (ids, kept) => labels.remember(ids, kept),
    label: (given) => labels.label(given),
    state: async () => ({ queued: 0, quarantined: 0, dropped: 0, pending: edge.pending(), sent: 0, trouble: null }),
    flush: nothing,
    nextReport: () => null,
    visibility: nothing,
    close: nothing,
  };
}
