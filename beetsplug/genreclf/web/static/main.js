// The frame: screens by address, the state of the server, and the keyboard.

import { get, onConnection, pause, refreshStatus, store } from "./api.js";
import { button, h, number } from "./dom.js";
import { History } from "./history.js";
import { areSingleKeysOn, listen, setSingleKeys, SHORTCUTS } from "./keys.js";
import { Overview } from "./overview.js";
import { Review } from "./review.js";
import { Train } from "./train.js";
import { Try } from "./try.js";

const main = document.getElementById("main");
const banners = document.getElementById("banners");
const shortcuts = document.getElementById("shortcuts");
const links = [...document.querySelectorAll(".top nav a")];
const GONE = "The server does not answer. If it has ended, start beet genreclf-web again: it opens a new page.";
const EXPIRED = "The server was started again. Use the page that it opened; this address is no longer valid.";

const review = new Review();
const screens = {
  review,
  overview: new Overview(),
  train: new Train(() => review.reset()),
  history: new History(() => review.reset()),
  try: new Try(),
};
let current;

async function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...parts] = path.split("/");
  const screen = screens[name] ?? review;
  if (screen !== current) {
    current?.hide?.();
    shortcuts.close();
    current = screen;
    main.replaceChildren(screen.element);
    document.body.dataset.screen = screens[name] ? name : "review";
    document.title = `${screen.title} – Genres`;
    for (const link of links) {
      const isCurrent = link.hash === `#/${document.body.dataset.screen}`;
      link.ariaCurrent = isCurrent ? "page" : null;
    }
  }
  await screen.show(parts, Object.fromEntries(new URLSearchParams(query)));
}

function banner(id, text, isError) {
  document.getElementById(id)?.remove();
  if (text) banners.append(h("p", { id, class: isError ? "banner bad" : "banner", role: "alert" }, text));
}

let isGone = false;

// Disable everything while the server does not answer, and ask again every 3 seconds.
onConnection(async (problem) => {
  if (problem === "expired") banner("connection", EXPIRED, true);
  if (problem !== "gone" || isGone) return;
  isGone = true;
  banner("connection", GONE, true);
  main.inert = true;
  while (isGone) {
    await pause(3000);
    try {
      await get("api/status");
    } catch (error) {
      if (error.code === "gone_server") continue;
      if (error.status === 403) return;
    }
    isGone = false;
  }
  banner("connection");
  main.inert = false;
  await refreshStatus().catch(() => {});
  review.reset();
  await route();
});

store.listeners.add(({ counts, fallback }) => {
  document.getElementById("reviewed").replaceChildren(
    h("progress", { max: counts.total || 1, value: counts.reviewed, "aria-hidden": "true" }),
    h("strong", {}, number(counts.reviewed)),
    ` of ${number(counts.total)} reviewed`,
  );
  banner("fallback", fallback && "The fallback model is in use. It is less accurate.");
});

function help() {
  const keys = h("input", { type: "checkbox" });
  keys.checked = areSingleKeysOn();
  keys.addEventListener("change", () => setSingleKeys(keys.checked));
  shortcuts.replaceChildren(
    h("h2", { id: "shortcuts-title", tabindex: -1, autofocus: true }, "Keyboard shortcuts"),
    h("div", { class: "columns" }, SHORTCUTS.map(([title, rows]) =>
      h("section", {}, h("h3", {}, title), h("dl", {}, rows.map(([key, text]) =>
        h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, text))))))),
    h("footer", {}, h("label", { class: "tick" }, keys, "Single keys (letters, digits, punctuation)"),
      button("Close", () => shortcuts.close(), { class: "outlined quiet" })),
  );
  shortcuts.showModal();
}

shortcuts.addEventListener("click", (event) => {
  if (event.target === shortcuts) shortcuts.close();
});
document.getElementById("help").addEventListener("click", help);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address belongs to the screens
  main.focus();
});
addEventListener("hashchange", route);
listen(() => ({ "?": help, ...(main.inert ? {} : current?.bindings?.()) }));
refreshStatus().catch(() => {});
route();
