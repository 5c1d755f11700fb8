// The keyboard: which keys act, and when they belong to a focused control instead.

import { recall, remember } from "./dom.js";

const TEXT = "input:not([type=range], [type=checkbox], [type=file]), textarea, select";
const CONTROL = "button, a, input, select, summary";
const OF_CONTROLS = new Set([" ", "Enter", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"]);

let singleKeys = recall("single-keys", true);

export const areSingleKeysOn = () => singleKeys;

export function setSingleKeys(on) {
  singleKeys = on;
  remember("single-keys", on);
}

// bindings: returns the actions by key; those in `repeatable` also act while a key is held down.
export function listen(bindings) {
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented || event.altKey) return;
    if (document.querySelector("dialog[open]") || event.target.closest(TEXT)) return;
    const modified = event.ctrlKey || event.metaKey;
    const letter = event.key.length === 1 && event.key !== " ";
    if (letter && !modified && !singleKeys) return;
    if (!modified && OF_CONTROLS.has(event.key) && event.target.closest(CONTROL)) return;
    const action = bindings()[name(event, modified)];
    if (!action || (event.repeat && !action.repeatable)) return;
    event.preventDefault();
    action();
  });
}

function name(event, modified) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const shift = event.shiftKey && /^([a-z]|.{2,})$/.test(key) ? "Shift+" : "";
  return (modified ? "Ctrl+" : "") + shift + key;
}

export const repeatable = (action) => Object.assign(action, { repeatable: true });

export const SHORTCUTS = [
  ["Decide", [
    ["A", "Accept the prediction"],
    ["G", "Keep your genres"],
    ["C", "Correct: type genres"],
    ["1 to 9", "Correct: choose a genre"],
    ["S", "Skip"],
    ["U or Ctrl Z", "Undo the last decision"],
    ["Ctrl Enter", "Accept all confident tracks of the album"],
  ]],
  ["Move", [
    ["J, K or ↓ ↑", "Next, previous track"],
    ["N, Shift N", "Next, previous album"],
    ["/", "Find albums"],
    ["Esc", "Leave a field or dialog"],
    ["?", "Show the shortcuts"],
  ]],
  ["Listen", [
    ["P or Space", "Play, pause"],
    ["← →", "5 seconds back, forward"],
    [", .", "Previous, next window"],
    ["[ ]", "Slower, faster"],
  ]],
];
