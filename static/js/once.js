// A form is sent once, however often its button is pressed. The server's idempotency key is the real lock.
const words = new Map();

function release() {
  for (const [button, text] of words) {
    button.textContent = text;
    button.removeAttribute("aria-disabled");
    delete button.form?.dataset.sent;
  }
  words.clear();
}

export function start() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || "download" in form.dataset || event.defaultPrevented) return;
    if ("sent" in form.dataset) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "";
    const button = event.submitter ?? form.querySelector('button[type="submit"]');
    if (!button) return;
    words.set(button, button.textContent);
    button.setAttribute("aria-disabled", "true");
    button.textContent = document.body.dataset.sending;
  });
  // Back by the browser's button: the page comes from its memory, as it was when it was sent.
  window.addEventListener("pageshow", release);
}
