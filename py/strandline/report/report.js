"use strict";
(() => {
  const table = document.querySelector(".features");
  const features = [...table.tBodies];
  const none = document.querySelector(".none");

  // Details come unfolded, so that nothing is hidden where scripts don't run.
  for (const button of table.querySelectorAll(".unfold")) {
    const details = document.getElementById(button.getAttribute("aria-controls"));
    const fold = (open) => {
      button.setAttribute("aria-expanded", String(open));
      details.hidden = !open;
    };
    fold(false);
    button.addEventListener("click", () => fold(details.hidden));
  }

  table.querySelectorAll("thead [data-sort]").forEach((heading) => {
    const column = heading.cellIndex;
    const numeric = heading.dataset.sort === "number";
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const turn = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", turn > 0 ? "ascending" : "descending");
      const key = (body) => body.rows[0].cells[column].dataset.key;
      const compare = (a, b) => {
        const x = key(a), y = key(b);
        if (x === "" || y === "") return (x === "") - (y === "");
        return turn * (numeric ? x - y : x < y ? -1 : x > y ? 1 : 0);
      };
      table.append(...features.sort(compare));
    });
  });

  const form = document.querySelector(".filters");
  const verdicts = [...form.querySelectorAll("[data-verdict]")];
  const filter = () => {
    const find = form.elements.find.value.trim().toLowerCase();
    const verdict = verdicts.find((button) => button.getAttribute("aria-pressed") === "true").dataset.verdict;
    for (const body of features) {
      body.hidden = !body.dataset.name.includes(find) || (verdict !== "" && body.dataset.verdict !== verdict);
    }
    none.hidden = features.some((body) => !body.hidden);
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of verdicts) {
    button.addEventListener("click", () => {
      for (const other of verdicts) other.setAttribute("aria-pressed", String(other === button));
      filter();
    });
  }

  // Reading single bars: by pointer, or by arrow keys on the focused figure.
  for (const figure of document.querySelectorAll(".large")) {
    const bars = [...figure.nextElementSibling.querySelectorAll(":scope > table > tbody > tr")];
    const caption = figure.querySelector("figcaption");
    const cursor = document.createElement("div");
    cursor.className = "cursor";
    let at = -1;
    const show = (index) => {
      at = Math.max(0, Math.min(bars.length - 1, index));
      const [label, reference, current] = [...bars[at].cells].map((cell) => cell.textContent);
      caption.textContent = `${label}: reference ${reference}, current ${current}`;
      cursor.style.left = `${(100 * at) / bars.length}%`;
      cursor.style.width = `${100 / bars.length}%`;
      figure.append(cursor);
    };
    figure.addEventListener("pointermove", (event) => {
      const box = figure.getBoundingClientRect();
      show(Math.floor(((event.clientX - box.left) / box.width) * bars.length));
    });
    figure.addEventListener("pointerleave", () => {
      caption.textContent = "";
      cursor.remove();
    });
    figure.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      show(at < 0 && step < 0 ? bars.length - 1 : at + step);
    });
  }
})();
