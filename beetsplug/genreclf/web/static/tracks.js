// The table of an album's tracks.

import { button, h, list, reveal, setVars, share } from "./dom.js";

export const isOpen = (track) => track.open;

export class TrackTable {
  constructor(onSelect, onMore) {
    this.onSelect = onSelect;
    this.more = button("More tracks", onMore, { class: "quiet", hidden: true });
    this.body = h("tbody", {});
    this.body.addEventListener("click", (event) => this.#clicked(event));
    this.element = h(
      "div",
      { class: "tracks" },
      h(
        "table",
        {},
        h("caption", { class: "unseen" }, "Tracks"),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col", class: "position" }, h("span", { class: "unseen" }, "Number"), "#"),
            h("th", { scope: "col" }, "Title"),
            h("th", { scope: "col", class: "yours" }, "Your genres"),
            h("th", { scope: "col" }, "Predicted"),
            h("th", { scope: "col", class: "confidence" }, "Confidence"),
            h("th", { scope: "col", class: "state" }, "State"),
          ),
        ),
        this.body,
      ),
      this.more,
    );
  }

  show(tracks, albumArtist, next) {
    this.albumArtist = albumArtist;
    this.body.replaceChildren();
    this.append(tracks, next);
  }

  append(tracks, next) {
    this.body.append(...tracks.map((track) => this.#row(track)));
    this.more.hidden = !next;
  }

  update(track) {
    const old = this.#find(track.id);
    const isCurrent = old.hasAttribute("aria-current");
    const hadFocus = old === document.activeElement;
    old.replaceWith(this.#row(track));
    if (isCurrent) this.mark(track.id, hadFocus);
  }

  mark(id, focus) {
    for (const row of this.body.rows) {
      const isCurrent = row.dataset.id === String(id);
      row.ariaCurrent = isCurrent ? "true" : null;
      row.tabIndex = isCurrent ? 0 : -1;
    }
    const current = this.#find(id);
    if (current) reveal(current, this.element);
    if (focus) current?.focus({ preventScroll: true });
  }

  #find(id) {
    return this.body.querySelector(`tr[data-id="${id}"]`);
  }

  #clicked(event) {
    const row = event.target.closest("tr");
    if (row) this.onSelect(Number(row.dataset.id));
  }

  #row(track) {
    const artist = track.artist && track.artist !== this.albumArtist ? track.artist : "";
    const meter = h("i", { class: "meter" });
    if (track.confidence != null) setVars(meter, { w: `${track.confidence * 100}%` });
    const yours = track.genres?.length ? list(track.genres) : "";
    return h(
      "tr",
      { "data-id": track.id, tabindex: -1 },
      h("td", { class: "position" }, track.track || ""),
      h(
        "th",
        { scope: "row" },
        h("span", { class: "title" }, track.title || "Untitled"),
        artist && h("span", { class: "artist" }, artist),
        yours && h("span", { class: "below" }, yours),
      ),
      h("td", { class: "yours" }, h("span", { class: "clip", title: yours }, yours || "–")),
      h("td", { class: "predicted" }, predicted(track)),
      h(
        "td",
        { class: "confidence" },
        track.confidence != null && [h("span", {}, share(track.confidence)), meter],
      ),
      h("td", { class: "state" }, state(track)),
    );
  }
}

function predicted(track) {
  if (track.predicted)
    return [
      h("span", {}, track.predicted),
      h("small", { class: "below" }, share(track.confidence)),
      ["differs", "related"].includes(track.agreement) && h("small", {}, track.agreement),
    ];
  return [
    h("span", { class: "soft" }, track.reason || (track.model ? "none" : "not predicted")),
    track.confidence != null && h("small", { class: "below" }, share(track.confidence)),
  ];
}

function state(track) {
  if (track.playable === false) return h("span", { class: "tag bad" }, "file missing");
  if (track.review) return h("span", { class: "tag done" }, `✓ ${track.review}`);
  return isOpen(track) ? h("span", { class: "tag" }, "open") : h("span", { class: "tag soft" }, "–");
}
