// Keeps what is typed into <form data-draft="key"> in this tab, so that a session that ends loses no work.
const PREFIX = "draft:";
const staff = document.body.dataset.staff;
let leaves = false;
const PLUMBING = new Set(["csrf_token", "acting", "idempotency_key"]);

const nameOf = (form) => `${PREFIX}${staff}:${form.dataset.draft}`;

function stored() {
  return Object.keys(sessionStorage).filter((name) => name.startsWith(PREFIX));
}

function controls(form) {
  return [...form.elements].filter(
    (one) =>
      // The version goes with the text: a draft on a record that changed meanwhile is refused with both texts.
      one.name === "version" ||
      (one.name && !PLUMBING.has(one.name) && !["hidden", "password", "file", "submit", "button"].includes(one.type)),
  );
}

const ticks = (one) => one.type === "checkbox" || one.type === "radio";

function chosen(one) {
  if (ticks(one)) return one.checked;
  return one.multiple ? [...one.options].filter((option) => option.selected).map((option) => option.value) : one.value;
}

/** [name, value or null, state] for each control; the order and the names find the control again. */
function snapshot(form) {
  return controls(form).map((one) => [one.name, ticks(one) ? one.value : null, chosen(one)]);
}

function keep(form) {
  if (leaves) return;
  try {
    sessionStorage.setItem(nameOf(form), JSON.stringify(snapshot(form)));
  } catch {
    // The storage is full or switched off: the page works on, without a net.
  }
}

function put(form, saved) {
  const left = controls(form);
  for (const [name, value, state] of saved) {
    const at = left.findIndex((one) => one.name === name && (value === null || one.value === value));
    if (at < 0) continue;
    const [one] = left.splice(at, 1);
    if (ticks(one)) one.checked = state;
    else if (one.multiple) for (const option of one.options) option.selected = state.includes(option.value);
    else one.value = state;
    one.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

function restore(form) {
  const text = sessionStorage.getItem(nameOf(form));
  const before = snapshot(form);
  // After a refused form the server's page holds what was typed already, and knows better.
  if (!text || text === JSON.stringify(before) || document.querySelector("[data-error-summary]")) return;
  put(form, JSON.parse(text));
  if (JSON.stringify(snapshot(form)) === JSON.stringify(before)) return;
  const note = document.getElementById("draft-note").content.firstElementChild.cloneNode(true);
  note.querySelector("[data-discard]").addEventListener("click", () => {
    sessionStorage.removeItem(nameOf(form));
    put(form, before);
    form.dispatchEvent(new Event("draft:discarded"));
    note.remove();
    form.querySelector("input:not([type=hidden]), textarea, select")?.focus();
  });
  form.before(note);
}

export function start() {
  document.querySelector("[data-sign-out]")?.addEventListener("submit", () => {
    leaves = true;
    stored().forEach((name) => sessionStorage.removeItem(name));
  });
  if (!staff) return; // not signed in: what waits here waits for its owner
  for (const name of stored()) {
    if (!name.startsWith(`${PREFIX}${staff}:`)) sessionStorage.removeItem(name);
  }
  const saved = document.querySelector("meta[name=draft-clear]")?.content ?? "";
  for (const key of saved.split(" ").filter(Boolean)) sessionStorage.removeItem(`${PREFIX}${staff}:${key}`);

  for (const form of document.querySelectorAll("form[data-draft]")) {
    restore(form);
    let timer;
    const later = () => {
      leaves = false;
      clearTimeout(timer);
      timer = setTimeout(keep, 250, form);
    };
    form.addEventListener("input", later);
    form.addEventListener("change", (event) => event.isTrusted && later());
    form.addEventListener("submit", () => {
      clearTimeout(timer);
      keep(form);
    });
    form.addEventListener("draft:discarded", () => clearTimeout(timer));
  }
}
