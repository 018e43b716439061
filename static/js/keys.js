const TYPING = "input, textarea, select, [contenteditable]";

// Ctrl+Enter (⌘+Enter) sends the form one is typing in; never while a Japanese word is being converted.
// A slash, typed nowhere, goes to the search of everything.
export function start() {
  document.addEventListener("keydown", (event) => {
    const search = document.querySelector("[data-search]");
    if (search && event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest?.(TYPING)) {
      event.preventDefault();
      search.focus();
      return;
    }
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing || event.keyCode === 229) return;
    const form = event.target.closest?.("form");
    const button = form?.querySelector('button[type="submit"]');
    if (!button) return;
    event.preventDefault();
    form.requestSubmit(button);
  });
}
