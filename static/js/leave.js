// Asks before a page with unsaved text is left.
const dirty = new Set();

export function start() {
  for (const form of document.querySelectorAll('form[method="post"]:not([data-no-leave])')) {
    const first = JSON.stringify([...new FormData(form)].filter(([, value]) => typeof value === "string"));
    form.addEventListener("input", () => {
      const now = JSON.stringify([...new FormData(form)].filter(([, value]) => typeof value === "string"));
      if (now === first) dirty.delete(form);
      else dirty.add(form);
    });
    form.addEventListener("submit", () => dirty.delete(form));
    form.addEventListener("draft:discarded", () => dirty.delete(form));
  }
  // Signing in again after the session ended: what was typed comes back as a draft.
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-again]")) dirty.clear();
  });
  window.addEventListener("beforeunload", (event) => {
    if (dirty.size) event.preventDefault();
  });
}
