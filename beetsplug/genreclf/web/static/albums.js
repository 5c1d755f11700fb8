// The list of albums: filter, order, pages and the current album.

import { get } from "./api.js";
import { button, count, h, icon, reveal, say } from "./dom.js";

const SHOW = [
  ["open", "To review"],
  ["confident", "Confident"],
  ["doubtful", "Not confident"],
  ["differs", "Differs from yours"],
  ["nogenre", "Without your genre"],
  ["reviewed", "Reviewed"],
  ["unpredicted", "Not predicted"],
  ["all", "All"],
];
const ORDER = [["doubt", "Uncertain first"], ["artist", "By artist"]];
const DEFAULTS = { show: "open", order: "doubt", q: "" };

export class Albums {
  constructor(onFilter) {
    this.filter = { ...DEFAULTS };
    this.rows = [];
    this.show = select("Show", SHOW);
    this.order = select("Order", ORDER);
    this.find = h("input", {
      type: "search", placeholder: "Find, or a beets query", "aria-label": "Find",
      "aria-keyshortcuts": "/", autocomplete: "off", spellcheck: "false",
    });
    this.refresh = h(
      "button",
      {
        type: "button", class: "quiet icon-only", "aria-label": "Sort again",
        title: "Sort again by the current predictions",
        onclick: () => this.load({ refresh: true }),
      },
      icon("refresh"),
    );
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    this.summary = h("p", { class: "soft small" });
    this.items = h("ul", { class: "albums" });
    this.more = button("More albums", () => this.loadMore(), { class: "quiet", hidden: true });
    const changed = () => {
      const { show, order, find } = this;
      if (!this.setFilter({ show: show.value, order: order.value, q: find.value.trim() })) return;
      this.loaded = false;
      onFilter();
    };
    this.show.addEventListener("change", changed);
    this.order.addEventListener("change", changed);
    this.find.addEventListener("change", changed);
    this.find.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.find.blur();
    });
    this.items.addEventListener("keydown", (event) => this.#move(event));
    this.element = h(
      "nav",
      { class: "sidebar", "aria-label": "Albums" },
      h(
        "form",
        { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
        this.find,
        h("div", { class: "row" }, this.show, this.order),
      ),
      this.problem,
      h("div", { class: "row" }, this.summary, this.refresh),
      h("div", { class: "list" }, this.items, this.more),
    );
  }

  // Take the filter of the address; return whether it is another one.
  setFilter(params) {
    const wanted = { ...DEFAULTS, ...params };
    const changed = ["show", "order", "q"].some((name) => wanted[name] !== this.filter[name]);
    this.filter = { show: wanted.show, order: wanted.order, q: wanted.q };
    this.show.value = wanted.show;
    this.order.value = wanted.order;
    this.find.value = wanted.q;
    return changed;
  }

  // The filter as far as it differs from the default.
  params() {
    const differing = Object.entries(this.filter).filter(([name, value]) => value !== DEFAULTS[name]);
    return Object.fromEntries(differing);
  }

  address(path) {
    const params = String(new URLSearchParams(this.params()));
    return `#/review${path}${params && `?${params}`}`;
  }

  // Load the first page; return false if another filter was chosen meanwhile.
  async load({ refresh = false } = {}) {
    this.loading?.abort();
    const loading = (this.loading = new AbortController());
    this.element.classList.add("loading");
    this.problem.hidden = true;
    this.refresh.hidden = false;
    this.error = null;
    this.summary.textContent = this.rows.length ? this.summary.textContent : "Loading …";
    try {
      const page = await this.#page(refresh ? { refresh: 1 } : {}, loading.signal);
      this.loaded = true;
      this.rows = page.albums;
      this.next = page.next;
      this.#draw(page.total);
      if (refresh) say("Sorted by the current predictions.");
    } catch (error) {
      if (error.name === "AbortError") return false;
      this.error = error;
      this.rows = [];
      this.next = null;
      this.#draw(0);
      this.problem.textContent = error.message;
      this.problem.hidden = false;
      this.refresh.hidden = true;
      this.summary.textContent = "";
    } finally {
      if (this.loading === loading) this.element.classList.remove("loading");
    }
    return true;
  }

  async loadMore() {
    if (!this.next) return;
    const page = await this.#page({ after: this.next });
    const known = new Set(this.rows.map(({ id }) => id));
    this.rows.push(...page.albums.filter(({ id }) => !known.has(id)));
    this.next = page.next;
    this.#draw(page.total);
  }

  mark(id) {
    this.current = id;
    const isListed = this.rows.some((row) => row.id === id);
    for (const [i, link] of this.#links().entries()) {
      const isCurrent = link.dataset.id === String(id);
      link.ariaCurrent = isCurrent ? "true" : null;
      link.tabIndex = isCurrent || (!isListed && !i) ? 0 : -1;
      if (isCurrent) reveal(link, this.items.parentElement);
    }
  }

  // change: returns the number of open tracks by the number that the list shows.
  setOpen(id, change) {
    const row = this.rows.find((other) => other.id === id);
    const link = this.#links().find((other) => other.dataset.id === String(id));
    if (!row || !link) return;
    row.open = change(row.open);
    showOpen(link.querySelector(".open"), row);
  }

  async neighbor(id, by) {
    const at = this.rows.findIndex((row) => row.id === id);
    if (at + by >= this.rows.length) await this.loadMore();
    return this.rows[at + by];
  }

  // The next album after this one that has open tracks, or the first one of all.
  async nextOpen(id) {
    for (;;) {
      const at = this.rows.findIndex((row) => row.id === id);
      const found = this.rows.slice(at + 1).find((row) => row.open);
      if (found) return found;
      if (!this.next) return this.rows.find((row) => row.open && row.id !== id);
      await this.loadMore();
    }
  }

  #page(extra, signal) {
    const params = new URLSearchParams({ ...this.params(), limit: 50, ...extra });
    const onSearch = () => {
      this.summary.textContent = "Searching …";
    };
    return get(`api/albums?${params}`, { signal, onSearch });
  }

  #draw(total) {
    this.summary.textContent = count(total, "album");
    this.items.replaceChildren(
      ...this.rows.map((row) => {
        const open = h("span", { class: "open" });
        showOpen(open, row);
        return h(
          "li",
          {},
          h(
            "a",
            { href: this.address(`/album/${row.id}`), "data-id": row.id, tabindex: -1 },
            h("span", { class: "name" }, row.album || (row.id ? "Untitled album" : "Tracks without an album")),
            h("span", { class: "artist" }, row.albumartist || ""),
            open,
          ),
        );
      }),
    );
    this.more.hidden = !this.next;
    this.mark(this.current);
  }

  #links() {
    return [...this.items.querySelectorAll("a")];
  }

  #move(event) {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const links = this.#links();
    const next = links[links.indexOf(event.target) + by];
    if (!by || !next || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    next.focus();
  }
}

function showOpen(element, { open, tracks }) {
  element.classList.toggle("done", !open);
  element.setAttribute("title", `${open} open of ${tracks}`);
  element.replaceChildren(open ? `${open}` : "✓", h("span", { class: "unseen" }, ` open of ${tracks}`));
}

function select(label, options) {
  return h(
    "select",
    { "aria-label": label },
    options.map(([value, text]) => h("option", { value }, text)),
  );
}
