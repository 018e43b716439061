// Saves <form data-autosave> by itself while one types, and shows both texts when somebody else was faster.
// Also runs the clock of a meeting. Without it each form has its button, and the page its times.
const WAIT = 1500;
const minute = 60_000;

function clock(sign) {
  // The office's computers are rarely right: what counts is the server's time when the page was made.
  const skew = Date.parse(sign.dataset.now) - Date.now();
  const ends = Date.parse(sign.dataset.endsAt);
  const tell = () => {
    const left = Math.ceil((ends - Date.now() - skew) / minute);
    sign.textContent = (left >= 0 ? sign.dataset.left : sign.dataset.over).replace("{n}", Math.abs(left));
    sign.classList.toggle("is-over", left < 0);
  };
  tell();
  sign.hidden = false;
  setInterval(tell, 10_000);
}

function watch(form) {
  const area = form.elements.text;
  const state = form.querySelector("[data-autosave-state]");
  const clash = form.querySelector("[data-autosave-clash]");
  const part = (name) => clash.querySelector(`[data-autosave-${name}]`);
  const draft = `draft:${document.body.dataset.staff}:${form.dataset.draft}`;
  let saved = area.defaultValue;
  let theirs = "";
  let timer;
  let sending = false;
  let stopped = false;

  function done(text) {
    saved = text;
    if (area.value !== text) return later(); // typed on meanwhile
    sessionStorage.removeItem(draft);
    form.dispatchEvent(new Event("draft:discarded"));
  }

  function refused(answer) {
    stopped = true;
    theirs = answer.theirs ?? "";
    part("message").textContent = answer.message;
    part("theirs").textContent = theirs;
    part("choices").hidden = Boolean(answer.ended);
    form.elements.version.value = answer.version ?? form.elements.version.value;
    clash.hidden = false;
    state.textContent = "";
  }

  async function save() {
    clearTimeout(timer);
    if (stopped || area.value === saved) return;
    if (sending) return later();
    sending = true;
    const text = area.value;
    state.textContent = form.dataset.saving;
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { Accept: "application/json" },
        keepalive: text.length < 10_000, // saved even when the page is left; browsers allow no more
      });
      const isJson = answer.headers.get("Content-Type")?.startsWith("application/json");
      if (!isJson) throw new Error("no answer of ours"); // signed out, or the server is away
      const said = await answer.json();
      if (answer.status === 409) refused(said);
      else if (!answer.ok) state.textContent = said.message;
      else {
        form.elements.version.value = said.version;
        state.textContent = form.dataset.saved.replace("{at}", said.saved_at);
        done(text);
      }
    } catch {
      state.textContent = form.dataset.failed;
    } finally {
      sending = false;
    }
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(save, WAIT);
  }

  function choose(text) {
    area.value = text;
    stopped = false;
    clash.hidden = true;
    saved = null; // whatever was chosen is sent: so the server knows that it was
    area.focus();
    save();
  }

  form.addEventListener("input", later);
  area.addEventListener("blur", save);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save();
  });
  document.addEventListener("visibilitychange", () => document.hidden && save());
  part("mine").addEventListener("click", () => choose(area.value));
  part("both").addEventListener("click", () => choose([theirs, area.value].filter(Boolean).join("\n\n")));
  part("their-own").addEventListener("click", () => choose(theirs));
}

export function start() {
  document.querySelectorAll("[data-ends-at]").forEach(clock);
  document.querySelectorAll("form[data-autosave]").forEach(watch);
}
