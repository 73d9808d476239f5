"use strict";
(async () => {
  // A large report's last details come packed.
  for (const packed of document.querySelectorAll(".packed")) {
    const bytes = Uint8Array.from(atob(packed.textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    const template = document.createElement("template");
    template.innerHTML = `<table><tbody>${await new Response(stream).text()}</tbody></table>`;
    for (const row of template.content.querySelectorAll(".details")) {
      document.querySelector(`[data-d="${row.id}"]`).closest("tbody").append(row);
    }
    for (const row of template.content.querySelectorAll("[data-in]")) {
      document.getElementById(row.dataset.in).append(row);
    }
    packed.remove();
  }

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("aria-hidden", "true");
  const place = (box, x, y, text) => {
    tip.textContent = text;
    box.append(tip);
    tip.style.left = `${Math.max(0, Math.min(x, box.clientWidth - tip.offsetWidth))}px`;
    tip.style.top = `${y}px`;
  };

  // Bars: by pointer, or by arrow keys on the focused figure.
  const barsOf = (figure) => figure.dataset.bars.split("\n").map((line) => line.split("\t"));
  const percent = (text) => `${text.replace("-", "−")} %`;
  for (const figure of document.querySelectorAll("[data-bars]")) {
    const bars = barsOf(figure);
    const compared = bars.some((bar) => Number(bar[1]) > 0);
    const caption = figure.querySelector(".read");
    const cursor = document.createElement("div");
    cursor.className = "cursor";
    let at = -1;
    const show = (index) => {
      at = Math.max(0, Math.min(bars.length - 1, index));
      const [label, reference, current] = bars[at];
      const width = figure.clientWidth / bars.length;
      caption.textContent = compared
        ? `${label}: reference ${percent(reference)}, current ${percent(current)}`
        : `${label}: ${percent(current)}`;
      cursor.style.left = `${at * width}px`;
      cursor.style.width = `${width}px`;
      figure.append(cursor);
    };
    const leave = () => {
      at = -1;
      caption.textContent = "";
      cursor.remove();
    };
    figure.addEventListener("pointermove", (event) => {
      const box = figure.getBoundingClientRect();
      show(Math.floor(((event.clientX - box.left) / box.width) * bars.length));
    });
    figure.addEventListener("pointerleave", leave);
    figure.addEventListener("blur", leave);
    figure.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, Home: -bars.length, End: bars.length }[event.key];
      if (!step) return;
      event.preventDefault();
      show(at < 0 && event.key === "ArrowLeft" ? bars.length - 1 : at + step);
    });
  }

  // The small pictures in the rows show the same bars.
  for (const picture of document.querySelectorAll(".features .picture")) {
    const figure = picture.closest("tbody").querySelector("[data-bars]");
    if (!figure) continue;
    const bars = barsOf(figure);
    picture.style.position = "relative";
    picture.addEventListener("pointermove", (event) => {
      const box = picture.firstElementChild.getBoundingClientRect();
      const index = Math.floor(((event.clientX - box.left) / box.width) * bars.length);
      const [label, reference, current] = bars[Math.max(0, Math.min(bars.length - 1, index))];
      place(picture, event.clientX - box.left + 12, -14, `${label}\nreference ${percent(reference)}\ncurrent ${percent(current)}`);
    });
    picture.addEventListener("pointerleave", () => tip.remove());
  }

  // Curves: the nearest point.
  for (const figure of document.querySelectorAll("[data-points]")) {
    const points = figure.dataset.points.split("\n").map((line) => {
      const [name, x, y] = line.split("\t");
      return { x: Number(x), y: Number(y), text: name.replace("{x}", x).replace("{y}", y) };
    });
    const caption = figure.querySelector(".read");
    const square = figure.querySelector("svg");
    let at = -1;
    const show = (index) => {
      at = Math.max(0, Math.min(points.length - 1, index));
      caption.textContent = points[at].text;
    };
    figure.addEventListener("pointermove", (event) => {
      const box = square.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width;
      const y = 1 - (event.clientY - box.top) / box.height;
      const far = (point) => (point.x - x) ** 2 + (point.y - y) ** 2;
      show(points.reduce((best, point, i) => (far(point) < far(points[best]) ? i : best), 0));
    });
    figure.addEventListener("pointerleave", () => { caption.textContent = ""; });
    figure.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, Home: -points.length, End: points.length }[event.key];
      if (!step) return;
      event.preventDefault();
      show(at + step);
    });
  }

  const press = (buttons, button) => {
    for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
  };

  // Tests that passed are many, and nothing to look at: they come when they are called.
  const statuses = [...document.querySelectorAll(".pills [data-status]")];
  const only = (button) => {
    press(statuses, button);
    const wanted = button.dataset.status;
    let shown = 0;
    for (const row of document.querySelectorAll(".tests tbody tr")) {
      const { status } = row.dataset;
      row.hidden = wanted === "!" ? status === "SUCCESS" : wanted !== "" && status !== wanted;
      shown += row.hidden ? 0 : 1;
    }
    document.querySelector(".tests").hidden = shown === 0;
    document.querySelector(".passed").hidden = shown > 0;
  };
  for (const button of statuses) button.addEventListener("click", () => only(button));
  if (statuses.length) only(statuses.find((button) => button.dataset.status === "!"));

  const table = document.querySelector(".features");
  if (!table) return;
  const features = [...table.tBodies];
  const none = document.querySelector(".none[role=status]");

  // Details come unfolded, so that nothing is hidden where scripts don't run.
  const folds = [...table.querySelectorAll(".unfold")].map((button) => {
    const details = document.getElementById(button.dataset.d);
    button.setAttribute("aria-controls", details.id);
    const fold = (open) => {
      button.setAttribute("aria-expanded", String(open));
      details.hidden = !open;
    };
    fold(false);
    button.addEventListener("click", () => fold(details.hidden));
    return fold;
  });
  const all = document.querySelector(".all");
  let everything = false;
  all.addEventListener("click", () => {
    everything = !everything;
    for (const fold of folds) fold(everything);
    all.textContent = everything ? "Close all" : "Open all";
  });

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
  const verdicts = [...form.querySelectorAll("[data-v]")];
  const filter = () => {
    const find = form.elements.find.value.trim().toLowerCase();
    const pressed = verdicts.find((button) => button.getAttribute("aria-pressed") === "true");
    const verdict = pressed ? pressed.dataset.v : "";
    for (const body of features) {
      body.hidden = !body.dataset.name.includes(find) || (verdict !== "" && body.dataset.v !== verdict);
    }
    none.hidden = features.some((body) => !body.hidden);
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of verdicts) {
    button.addEventListener("click", () => {
      press(verdicts, button);
      filter();
    });
  }
})();
