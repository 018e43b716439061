// Folds the navigation on a phone.
export function start() {
  const button = document.querySelector("[data-menu]");
  const nav = document.getElementById("nav");
  if (!button || !nav) return;
  button.addEventListener("click", () => {
    const open = nav.classList.toggle("is-open");
    button.setAttribute("aria-expanded", String(open));
  });
}
