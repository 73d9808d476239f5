/** The way from the address to the first prediction: stages and bytes. */

import { type Progress, STAGES, type Stage } from "../messages";
import { byId, h } from "../ui/dom";
import { megabytes } from "../ui/format";

const WORDS: Record<Stage, string> = {
  manifest: "Manifest",
  download: "Download",
  runtime: "Python",
  wheel: "Engine",
  model: "Model",
  "warm-up": "Warm-up",
  ready: "Ready",
};

export class Loading {
  readonly #steps: Map<Stage, HTMLElement>;
  #failed = false;

  constructor() {
    const shown = STAGES.filter((stage) => stage !== "ready");
    this.#steps = new Map(shown.map((stage) => [stage, h("li", {}, WORDS[stage])]));
    byId("stages").replaceChildren(...this.#steps.values());
  }

  show({ stage, loaded, total }: Progress): void {
    if (this.#failed) return; // files that still arrive must not hide what went wrong
    const at = STAGES.indexOf(stage);
    for (const [step, element] of this.#steps) {
      const place = STAGES.indexOf(step);
      element.className = place < at ? "done" : place === at ? "now" : "";
      if (place === at) element.setAttribute("aria-current", "step");
      else element.removeAttribute("aria-current");
    }
    const bar = byId<HTMLProgressElement>("bytes");
    if (total > 0) {
      bar.max = total;
      bar.value = loaded;
      byId("bytes-text").textContent = `${megabytes(loaded)} of ${megabytes(total)} MB, every file checked`;
    }
  }

  /** The form predicts already; Python is still on its way. */
  usable(): void {
    byId("app").hidden = false;
  }

  done(): void {
    byId("loading").hidden = true;
    byId("app").hidden = false;
  }

  fail(error: unknown): void {
    this.#failed = true;
    byId("loading").classList.add("failed");
    byId("loading-title").textContent = "The model could not be loaded";
    byId("bytes-text").textContent = error instanceof Error ? error.message : String(error);
    byId("bytes-text").setAttribute("role", "alert");
    byId("retry").hidden = false;
  }
}
