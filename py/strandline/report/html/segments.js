{
  // A segment opens while it is searched for what it holds.
  for (const section of document.querySelectorAll(".segments")) {
    const form = section.querySelector("form");
    const buttons = [...form.querySelectorAll("[data-v]")];
    const parts = [...section.querySelectorAll("details")];
    const sift = () => {
      const find = form.elements.find.value.trim().toLowerCase();
      const verdict = buttons.find((button) => button.getAttribute("aria-pressed") === "true").dataset.v;
      const has = (element) => element.textContent.toLowerCase().includes(find);
      for (const part of parts) {
        const named = has(part.querySelector("b"));
        let shown = 0;
        for (const row of part.querySelectorAll("tbody tr")) {
          row.hidden = (verdict !== "" && row.dataset.v !== verdict) || !(named || has(row.cells[0]));
          shown += row.hidden ? 0 : 1;
        }
        part.hidden = shown === 0 && !(named && verdict === "");
        part.open = find !== "" || verdict !== "";
      }
      section.querySelector(".none").hidden = parts.some((part) => !part.hidden);
    };
    form.addEventListener("input", sift);
    form.addEventListener("submit", (event) => event.preventDefault());
    for (const button of buttons) {
      button.addEventListener("click", () => {
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
        sift();
      });
    }
  }
}
