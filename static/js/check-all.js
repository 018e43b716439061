// One button that ticks every box of its group, or none.
export function start() {
  for (const button of document.querySelectorAll("[data-check-all]")) {
    const boxes = [...button.closest("fieldset").querySelectorAll('input[type="checkbox"]')];
    const all = button.textContent;
    const full = () => boxes.every((box) => box.checked);
    const name = () => {
      button.textContent = full() ? button.dataset.none : all;
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      const tick = !full();
      for (const box of boxes) box.checked = tick;
      boxes[0]?.dispatchEvent(new Event("input", { bubbles: true }));
      name();
    });
    button.closest("fieldset").addEventListener("change", name);
    name();
  }
}
