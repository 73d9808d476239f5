import "../ui/theme.css";
import "./page.css";
import { columnsOf } from "../site/manifest";
import type { Model, Row } from "../strandline";
import { byId, busy, coalesced, onClick } from "../ui/dom";
import { setUpBatch } from "./batch";
import { drawDrift } from "./drift";
import { FeatureForm } from "./form";
import { Loading } from "./loading";
import { goOffline, listen } from "./offline";
import { setUpPrivacy } from "./privacy";
import { drawQuality } from "./quality";
import { showResult } from "./result";
import { showNetwork, showOutbox } from "./status";

const site = new URL(".", location.href).href;

async function start(): Promise<void> {
  const loading = new Loading();
  showNetwork();
  byId("retry").addEventListener("click", () => location.reload());
  let model: Model | null = null;
  try {
    // The public module under its public name: this page is its first user.
    const { load } = (await import(/* @vite-ignore */ `${site}strandline.js`)) as typeof import("../strandline");
    model = await load(site, {
      onProgress: (progress) => loading.show(progress),
      onOutbox: (state) => model && showOutbox(model.manifest, state),
    });
    const whole = show(model);
    loading.usable();
    await whole;
  } catch (error) {
    loading.fail(error);
    return;
  }
  Object.assign(globalThis, { strandline: model }); // for the browser's console
  loading.done();
  void goOffline(site);
}

/** Draws the page; resolves when what needs Python is drawn too. */
async function show(model: Model): Promise<void> {
  const { manifest } = model;
  document.title = `${manifest.name} ${manifest.version}`;
  byId("name").textContent = manifest.name;
  byId("version").textContent = `version ${manifest.version}`;
  const refresh = coalesced(async () => {
    await Promise.all([drawDrift(model), drawQuality(model)]);
  });
  const form = new FeatureForm(columnsOf(manifest), byId("fields"));
  const button = byId<HTMLButtonElement>("predict");
  const result = byId("result");
  const formNote = byId("form-note");
  byId<HTMLFormElement>("form").addEventListener("submit", (event) => {
    event.preventDefault();
    void busy(button, async () => {
      try {
        const { rows, ms } = await model.predictTimed([form.row()]);
        formNote.textContent = "";
        if (rows[0] !== undefined) showResult(result, manifest.outputs, rows[0], ms);
        void refresh();
      } catch (error) {
        formNote.textContent = error instanceof Error ? error.message : String(error);
      }
    });
  });
  setUpBatch(model, () => void refresh());
  setUpPrivacy(model);
  setUpSample(form, manifest.target);
  showOutbox(manifest, await model.outbox());
  await refresh();
}

/** A row as JavaScript; of vectors only the length, which anyone would fill from elsewhere. */
function rowAsCode(row: Row): string {
  const short = (_: string, cell: unknown): unknown => (Array.isArray(cell) ? `<${cell.length}>` : cell);
  return JSON.stringify(row, short, 2).replaceAll(/"<(\d+)>"/g, "new Float32Array($1)");
}

function setUpSample(form: FeatureForm, target: string | undefined): void {
  const code = byId("sample");
  const lines = [
    `import { load } from ${JSON.stringify(new URL("strandline.js", site).href)};`,
    "",
    "const model = await load();",
    `const rows = await model.predict([${rowAsCode(form.row())}]);`,
    "const drift = await model.drift(); // since loading, beside the reference",
    "await model.flush(); // close the window and send it",
  ];
  if (target !== undefined) lines.push(`await model.label(rows[0].id, …); // what ${target} turned out to be, in whatever visit`);
  code.textContent = lines.join("\n");
  onClick(byId<HTMLButtonElement>("copy"), async () => {
    await navigator.clipboard.writeText(code.textContent ?? "");
    byId("copy").textContent = "Copied";
    setTimeout(() => (byId("copy").textContent = "Copy"), 1500);
  });
}

listen();
void start();
