// Starts every small behaviour. Each page works without any of them.
import * as autosave from "./autosave.js";
import * as checkAll from "./check-all.js";
import * as drafts from "./drafts.js";
import * as errors from "./errors.js";
import * as keys from "./keys.js";
import * as leave from "./leave.js";
import * as menu from "./menu.js";
import * as once from "./once.js";
import * as parts from "./parts.js";
import * as print from "./print.js";
import * as session from "./session.js";

// Drafts before leave: what a draft brings back counts as unsaved. Parts before drafts: they follow it.
for (const part of [parts, drafts, leave, autosave, keys, once, session, checkAll, print, menu, errors]) {
  part.start();
}
