// Elements, icons and formats. Text always becomes text nodes: nothing is parsed as HTML.

export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "vars") setVars(element, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

export function setVars(element, values) {
  for (const [name, value] of Object.entries(values)) element.style.setProperty(`--${name}`, value);
}

const PATHS = {
  play: "M8 5.6v12.8L18.4 12z",
  pause: "M7.5 5.5h3v13h-3zM13.5 5.5h3v13h-3z",
  refresh: "M19 12a7 7 0 1 1-2.1-5M17.5 3v4.5H13",
  back: "M14.5 5.5 8 12l6.5 6.5",
  arrow: "M4 12h15M13.5 6.5 19 12l-5.5 5.5",
  file: "M12 16V4.5M7.5 9 12 4.5 16.5 9M5 15.5v3h14v-3",
};

export function icon(name, filled = false) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", filled ? "icon filled" : "icon");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

export function button(label, onclick, { key, shortcut = key, ...props } = {}) {
  const hint = key && h("kbd", { "aria-hidden": "true" }, key);
  return h(
    "button",
    { type: "button", onclick, "aria-keyshortcuts": shortcut, ...props },
    h("span", {}, label),
    hint,
  );
}

export const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const tail = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
};

export const number = (value) => value.toLocaleString("en-US");
export const share = (value) => (value == null ? "–" : value.toFixed(2));
export const percent = (value) => (value == null ? "–" : `${Math.round(value * 100)}%`);
export const count = (n, noun) => `${number(n)} ${noun}${n === 1 ? "" : "s"}`;
export const list = (names) => (names?.length ? names.join(", ") : "none");

export const artistAndTitle = (track) =>
  [track.artist, track.title || "Untitled"].filter(Boolean).join(" – ");

// A message of the server as a sentence.
export const sentence = (text) => text && text[0].toUpperCase() + text.slice(1).replace(/\.?$/, ".");

// Bars with numbers: [{label, value, text, href}], value from 0 to 1.
export function bars(rows) {
  return h(
    "ol",
    { class: "bars" },
    rows.map(({ label, value, text, href, tone }) => {
      const content = [
        h("span", { class: "name" }, label),
        h("span", { class: "track" }, h("i", { vars: { w: `${value * 100}%` }, class: tone })),
        h("span", { class: "number" }, text),
      ];
      return h("li", {}, href ? h("a", { href }, content) : h("div", {}, content));
    }),
  );
}

// One sentence in place of content: loading, empty, failed.
export const notice = (text, ...more) => h("div", { class: "empty" }, h("p", {}, text), ...more);

// Scroll a list to one of its rows. Unlike scrollIntoView, this leaves the next Tab where it was.
export function reveal(row, scroller) {
  const [inner, outer] = [row, scroller].map((element) => element.getBoundingClientRect());
  const head = outer.top + 2.5 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  if (inner.top < head) scroller.scrollTop += inner.top - head;
  else if (inner.bottom > outer.bottom) scroller.scrollTop += inner.bottom - outer.bottom;
}

// Ask in a dialog; return whether the user agrees.
export function ask(title, text, label) {
  const dialog = h("dialog", { class: "ask", "aria-labelledby": "ask-title", "aria-describedby": "ask-text" },
    h("h2", { id: "ask-title" }, title),
    h("p", { id: "ask-text" }, text),
    h("footer", {},
      button("Cancel", () => dialog.close(), { class: "outlined quiet" }),
      button(label, () => dialog.close(label), { class: "primary" })));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === label);
    });
  });
}

let fading;

// Announce what the screen shows by itself.
export function announce(text) {
  document.getElementById("status").textContent = text;
}

// Show and announce a decision, an undo or an error.
export function say(text, isError = false) {
  const status = document.getElementById("status");
  status.textContent = text;
  status.classList.toggle("bad", isError);
  status.classList.add("shown");
  clearTimeout(fading);
  fading = setTimeout(() => status.classList.remove("shown"), isError ? 9000 : 5000);
}

export function remember(key, value) {
  try {
    localStorage.setItem(`genreclf.${key}`, JSON.stringify(value));
  } catch {
    // Storage may be switched off: then the setting lasts as long as the page.
  }
}

export function recall(key, fallback) {
  try {
    return JSON.parse(localStorage.getItem(`genreclf.${key}`)) ?? fallback;
  } catch {
    return fallback;
  }
}
