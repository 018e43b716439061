// Ctrl+Enter (⌘+Enter) sends the form one is typing in; never while a Japanese word is being converted.
export function start() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing || event.keyCode === 229) return;
    const form = event.target.closest?.("form");
    const button = form?.querySelector('button[type="submit"]');
    if (!button) return;
    event.preventDefault();
    form.requestSubmit(button);
  });
}
