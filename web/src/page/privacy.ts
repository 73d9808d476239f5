/** What leaves the device, shown to the letter. */

import type { Model } from "../strandline";
import { byId, onClick } from "../ui/dom";
import { bytes, count } from "../ui/format";

export function setUpPrivacy(model: Model): void {
  const { collector, target, window: limits } = model.manifest;
  const lead = byId("privacy-lead");
  if (collector === null) {
    lead.textContent = "Nothing. This site has no collector: rows, predictions and counts stay in this page.";
    byId("privacy-details").hidden = true;
    return;
  }
  const where = new URL(collector.url).host;
  lead.textContent =
    "Your data stays on this device. What is sent is how many rows fell into each bin of the plots above, and " +
    `their sums: to ${where}, after ${count(limits.rows)} rows, ${count(limits.seconds)} seconds, ` +
    "or when you leave the page. Without a network it waits here.";
  if (target !== undefined) {
    lead.textContent +=
      ` Predictions are kept here, without what they were made from, for up to 30 days, in case ${target} ` +
      "becomes known; of that, too, only counts and sums are sent.";
  }

  const text = byId("report-text");
  const details = byId<HTMLDetailsElement>("report");
  const show = async (): Promise<void> => {
    const report = await model.nextReport();
    byId("report-size").textContent = report === null ? "" : `${bytes(new TextEncoder().encode(report).byteLength)} before compression`;
    text.textContent = report === null ? "No rows since the last report: there is nothing to send." : pretty(report);
  };
  details.addEventListener("toggle", () => {
    if (details.open) void show();
  });
  onClick(byId<HTMLButtonElement>("send"), async () => {
    await model.flush();
    if (details.open) await show();
  });
}

/** Indented, with lists of numbers kept on their lines. */
export function pretty(json: string): string {
  return JSON.stringify(JSON.parse(json), null, 2).replace(/\[\s+((?:[-\d.e+]+,?\s+)+)\]/g, (_, list: string) =>
    `[${list.trim().replace(/\s+/g, " ")}]`,
  );
}
