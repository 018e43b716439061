// Says two minutes before the session ends that it will, and lets one go on with one press.
const WARN_AT = 120;
const SPOKEN = new Set([60, 30, 10]);
const SHARED = "session-ends";

const copy = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

export function start() {
  const meta = document.querySelector("meta[name=session-seconds-left]");
  if (!meta) return;
  const staff = document.body.dataset.staff;
  const live = document.getElementById("live");
  const words = document.getElementById("session-words").dataset;
  let ends = 0;
  let note = null;
  let spoken = null;
  let timer = 0;

  const say = (left) => {
    spoken = left;
    live.textContent = words.soon.replace("{n}", left);
  };

  function hide() {
    note?.remove();
    note = null;
  }

  function setEnd(moment) {
    ends = moment;
    clearInterval(timer);
    timer = setInterval(tick, 1000);
    tick();
  }

  function over() {
    clearInterval(timer);
    hide();
    note = copy("session-over");
    note.querySelector("[data-again]").href = location.href;
    document.body.append(note);
  }

  async function goOn() {
    const token = document.querySelector("meta[name=csrf-token]").content;
    try {
      const answer = await fetch("/account/keep-alive", {
        method: "POST",
        headers: { "X-CSRFToken": token, Accept: "application/json" },
        redirect: "manual",
      });
      if (answer.status >= 500) return; // our fault, not the end: the button can be pressed again
      if (!answer.ok) return over();
      const { session_seconds_left: seconds } = await answer.json();
      hide();
      live.textContent = words.kept;
      share(Date.now() + seconds * 1000);
    } catch {
      // No network just now: the warning stays, and the button can be pressed again.
    }
  }

  // Work in one tab keeps the session of all: they tell one another when it ends.
  function share(moment) {
    setEnd(moment);
    try {
      localStorage.setItem(SHARED, JSON.stringify([staff, moment]));
    } catch {
      // Storage switched off: each tab counts for itself.
    }
  }

  function tick() {
    const left = Math.round((ends - Date.now()) / 1000);
    if (left <= 0) return over();
    if (left > WARN_AT) return hide();
    if (!note) {
      note = copy("session-note");
      note.querySelector("[data-keep]").addEventListener("click", goOn);
      document.body.append(note);
      say(left);
    } else if (SPOKEN.has(left) && spoken !== left) {
      say(left);
    }
    note.querySelector("[data-left]").textContent = left;
  }

  window.addEventListener("storage", (event) => {
    if (event.key !== SHARED || !event.newValue) return;
    const [owner, moment] = JSON.parse(event.newValue);
    if (owner === staff && moment > ends) {
      hide();
      setEnd(moment);
    }
  });
  share(Date.now() + Number(meta.content) * 1000);
}
