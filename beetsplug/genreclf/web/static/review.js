// The review: albums, the tracks of one of them, and decisions about the chosen track.

import { ApiError, get, post, refreshStatus, store } from "./api.js";
import { Albums } from "./albums.js";
import { announce, onBusy, report, saved } from "./announcements.js";
import { button, count, h, icon, recall, remember, say, sentence } from "./dom.js";
import { repeatable } from "./keys.js";
import { GENRES, Panel } from "./panel.js";
import { isOpen, TrackTable } from "./tracks.js";
import { findRun, undoRun } from "./undo.js";

const WIDE = matchMedia("(min-width: 60rem)");
const OWN_ADDRESS = /^(#\/?|#\/review.*)?$/;
const MOST = 500; // decisions of one request

export class Review {
  constructor() {
    this.title = "Review";
    this.skipped = new Set();
    this.decided = new Set(); // runs of this page, which are decisions
    this.albums = new Albums(() => this.#filter());
    this.panel = new Panel({
      decide: (...decision) => this.decide(...decision),
      skip: () => this.skip(),
      undo: () => this.undo(),
      ended: () => this.#ended(),
    });
    this.table = new TrackTable((id) => this.select(id), () => this.more().catch(report));
    this.heading = h("h2", { id: "album-title" });
    this.subtitle = h("p", { class: "soft" });
    this.acceptAll = button("Accept all confident", () => this.acceptConfident(), {
      key: "Ctrl ⏎", shortcut: "Control+Enter", class: "quiet outlined",
    });
    this.back = h("a", { class: "back", href: "#/review" }, icon("back"), "Albums");
    this.notice = h("div", { class: "notice", hidden: true });
    this.detail = h(
      "section",
      { class: "album", "aria-labelledby": "album-title" },
      this.back,
      h("header", {}, h("div", {}, this.heading, this.subtitle), this.acceptAll),
      this.panel.decisions,
    );
    this.detail.hidden = true;
    WIDE.addEventListener("change", () => this.#arrange());
    this.#arrange();
    this.element = h(
      "div",
      { class: "review" },
      h("h1", { class: "unseen" }, "Review"),
      this.albums.element,
      h("div", { class: "stage" }, this.notice, this.detail),
    );
  }

  // params: the filter of the address. parts: ["album", id, "track", id], or [].
  async show(parts, params) {
    const changed = this.albums.setFilter(params);
    if ((changed || !this.albums.loaded) && !(await this.albums.load())) return;
    if (parts[0] === "album") {
      this.element.classList.add("opened");
      const wanted = parts[2] === "track" ? Number(parts[3]) : null;
      if (changed || this.album?.id !== Number(parts[1])) await this.open(Number(parts[1]), wanted);
      else if (wanted && wanted !== this.track?.id) this.select(wanted);
      return;
    }
    this.element.classList.remove("opened");
    if (!this.albums.rows.length) this.#empty();
    else if (WIDE.matches) await this.#resume();
  }

  hide() {
    this.panel.player.audio.pause();
  }

  // After training, all predictions may have changed.
  reset() {
    this.albums.loaded = false;
    this.album = null;
  }

  async open(id, trackId = null, { play = false, focus = false } = {}) {
    this.opening?.abort();
    this.opening = new AbortController();
    const { signal } = this.opening;
    this.notice.hidden = true;
    this.detail.classList.add("loading");
    let album;
    try {
      album = await this.#tracks(id, {}, signal);
      while (album.next && trackId && !album.tracks.some((track) => track.id === trackId)) {
        const more = await this.#tracks(id, { after: album.next }, signal);
        album.tracks.push(...more.tracks);
        album.next = more.next;
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#notify(error.code === "gone" ? "This album is no longer in the library." : error.message);
      return;
    } finally {
      if (!signal.aborted) this.detail.classList.remove("loading");
    }
    this.album = album;
    this.tracks = album.tracks;
    this.detail.hidden = false;
    this.element.classList.add("opened");
    this.heading.textContent = album.album || (id ? "Untitled album" : "Tracks without an album");
    this.table.show(this.tracks, album.albumartist, album.next);
    this.albums.mark(id);
    this.#summarize();
    if (!album.next) this.albums.setOpen(id, () => this.tracks.filter(isOpen).length);
    const wanted = this.tracks.find((track) => track.id === trackId);
    const first = wanted ?? this.tracks.find((track) => this.#isTodo(track)) ?? this.tracks[0];
    if (first) await this.select(first.id, { play, focus });
    else this.#notify("This album has no tracks.");
  }

  // The tracks of an album. Those without one come in pages.
  #tracks(id, page, signal) {
    const params = new URLSearchParams({ ...this.albums.params(), ...page });
    return get(`api/albums/${id}?${params}`, { signal, onSearch: () => say("Searching …") });
  }

  async more() {
    const { album } = this;
    if (!album?.next) return;
    const { tracks, next } = await this.#tracks(album.id, { after: album.next });
    if (album !== this.album) return;
    this.tracks.push(...tracks);
    album.next = next;
    this.table.append(tracks, next);
    this.#summarize();
  }

  async select(id, { play = false, focus = false } = {}) {
    const track = this.tracks.find((other) => other.id === id);
    if (!track) return;
    this.track = track;
    this.table.mark(id, focus);
    const address = this.albums.address(`/album/${this.album.id}/track/${id}`);
    const isHere = OWN_ADDRESS.test(location.hash); // not when the user has gone to another screen
    if (isHere) history.replaceState(null, "", address);
    remember("place", { album: this.album.id, track: id });
    await this.panel.show(track, play && isHere);
  }

  bindings() {
    const { panel } = this;
    return {
      ...panel.player.bindings(),
      j: repeatable(() => this.#step(1)),
      ArrowDown: repeatable(() => this.#step(1)),
      k: repeatable(() => this.#step(-1)),
      ArrowUp: repeatable(() => this.#step(-1)),
      n: () => this.#stepAlbum(1),
      "Shift+n": () => this.#stepAlbum(-1),
      a: () => this.decide("accept"),
      g: () => this.decide("keep"),
      s: () => this.skip(),
      c: () => panel.openField(),
      u: () => this.undo(),
      "Ctrl+z": () => this.undo(),
      "Ctrl+Enter": () => this.acceptConfident(),
      "/": () => this.albums.find.focus(),
      ...Object.fromEntries(
        Array.from({ length: 9 }, (_, i) => [String(i + 1), () => this.#choose(i)]),
      ),
    };
  }

  // labels: for "correct". field: genres, or another field that a model predicts.
  async decide(decision, labels, field = GENRES) {
    const { track } = this;
    if (!track || this.busy) return;
    if (field === GENRES && decision === "accept" && !track.predicted) {
      say("There is no predicted genre. Keep your genres, or correct them.", true);
      return;
    }
    const { playing } = this.panel.player;
    const usesKeyboard = document.activeElement?.matches(":focus-visible");
    const { id, version } = track;
    const done = await this.#send([{ track: id, version, decision, field, labels }]);
    if (!done?.length) return;
    announce(decision, done[0], field);
    if (field !== GENRES) {
      this.panel.closeField();
      await this.select(id, { focus: true });
      if (usesKeyboard) this.panel.focusOther();
    } else await this.#next({ play: playing });
  }

  async acceptConfident() {
    const confident = this.#confident();
    if (!confident.length || this.busy) {
      if (!this.busy) say("No open track of this album has a confident prediction.");
      return;
    }
    const { playing } = this.panel.player;
    const done = await this.#send(
      confident.map(({ id, version }) => ({ track: id, version, decision: "accept" })),
    );
    if (!done?.length) return;
    say(`Accepted ${count(done.length, "track")} of ${this.heading.textContent}. ${saved(done)}`);
    if (!isOpen(this.track)) await this.#next({ play: playing });
  }

  async skip() {
    if (!this.track || this.busy) return;
    this.skipped.add(this.track.id);
    say(`Skipped: ${this.track.title || "Untitled"}.`);
    await this.#next({ play: this.panel.player.playing });
  }

  async undo() {
    if (this.busy) return;
    this.busy = true;
    try {
      const id = store.status?.undoable ?? (await refreshStatus()).undoable;
      if (id == null) {
        say("There is no decision to undo.");
        return;
      }
      const run = this.decided.has(id) ? { id } : await findRun(id);
      const undone = await undoRun(run, { onBusy });
      if (!undone) return;
      await refreshStatus();
      say(undone.text, undone.isError);
      if (run.decision === "predict") {
        this.reset();
        await this.show([], this.albums.filter);
      } else await this.#showRestored(undone.restored);
    } catch (error) {
      report(error);
      if (error instanceof ApiError) refreshStatus().catch(() => {});
    } finally {
      this.busy = false;
    }
  }

  // Send decisions, and take over the changed tracks; return them, or undefined on failure.
  async #send(decisions) {
    this.busy = true;
    this.panel.setBusy(true);
    try {
      const { run, done, failed } = await post("api/decisions", { decisions }, { onBusy });
      if (run != null) {
        if (store.status) store.status.undoable = run;
        this.decided.add(run);
      }
      this.#replace(done);
      if (failed.length) await this.#refused(failed, done);
      refreshStatus().catch(() => {});
      return failed.length ? undefined : done;
    } catch (error) {
      if (error.body?.failed) await this.#refused(error.body.failed);
      else report(error);
    } finally {
      this.busy = false;
      this.panel.setBusy(false);
    }
  }

  // Show what the library has now in place of tracks that were changed meanwhile.
  async #refused(failed, done = []) {
    const stale = failed.some(({ code }) => code === "stale");
    const text = [...new Set(failed.map(({ message }) => sentence(message)))].join(" ");
    const written = done.length ? `${count(done.length, "track")} saved, ${failed.length} not` : "nothing was written";
    say(stale ? `Changed meanwhile; ${written}. ${text} Decide again.` : text, true);
    await this.open(this.album.id, this.track.id, { focus: true });
  }

  async #showRestored(restored) {
    if (!restored.length) return;
    const [{ id }] = restored;
    for (const track of restored) this.skipped.delete(track.id);
    if (this.tracks?.some((track) => track.id === id)) {
      this.#replace(restored);
      await this.select(id, { play: this.panel.player.playing, focus: true });
    } else {
      const album = restored[0].album_id;
      if (album != null) await this.open(album, id, { focus: true });
      else this.albums.load();
    }
  }

  #replace(changed) {
    const before = this.tracks.filter(isOpen).length;
    for (const track of changed) {
      const at = this.tracks.findIndex(({ id }) => id === track.id);
      if (at < 0) continue;
      this.tracks[at] = track;
      if (this.track?.id === track.id) this.track = track;
      this.table.update(track);
    }
    const after = this.tracks.filter(isOpen).length;
    this.albums.setOpen(this.album.id, (open) => open + after - before);
    this.#summarize();
  }

  #summarize() {
    const { album, tracks } = this;
    const open = tracks.filter(isOpen).length;
    this.subtitle.textContent = [
      album.albumartist, album.year || null,
      album.next ? `${count(tracks.length, "track")} so far` : open ? `${open} open of ${tracks.length}` : "no open tracks",
    ].filter(Boolean).join(" · ");
    const confident = this.#confident().length;
    this.acceptAll.firstChild.textContent = `Accept ${count(confident, "confident track")}`;
    this.acceptAll.hidden = !confident;
  }

  #confident() {
    const confident = (this.tracks ?? []).filter((track) => isOpen(track) && track.predicted);
    return confident.slice(0, MOST);
  }

  #isTodo(track) {
    return isOpen(track) && !this.skipped.has(track.id);
  }

  #choose(index) {
    const genre = this.panel.choices[index];
    if (genre) return this.decide("correct", [genre]);
  }

  // Go to the next open track: after this one, before it, then in the next albums.
  async #next(options) {
    const at = this.tracks.indexOf(this.track);
    const after = [...this.tracks.slice(at + 1), ...this.tracks.slice(0, at)];
    const next = after.find((track) => this.#isTodo(track));
    if (next) return this.select(next.id, { ...options, focus: true });
    if (this.album.next) {
      await this.more();
      return this.#next(options);
    }
    const album = await this.albums.nextOpen(this.album.id);
    if (album) return this.open(album.id, null, { ...options, focus: true });
    await this.select(this.track.id, { ...options, focus: true });
    say("No open tracks are left in this list.");
  }

  async #step(by) {
    if (by > 0 && this.track === this.tracks?.at(-1)) await this.more().catch(report);
    const next = this.tracks?.[this.tracks.indexOf(this.track) + by];
    if (next) return this.select(next.id, { play: this.panel.player.playing, focus: true });
  }

  async #stepAlbum(by) {
    const album = await this.albums.neighbor(this.album?.id, by);
    if (album) await this.open(album.id, null, { play: this.panel.player.playing, focus: true });
  }

  #ended() {
    if (!this.panel.player.playOn.checked) return;
    const next = this.tracks[this.tracks.indexOf(this.track) + 1];
    if (next) this.select(next.id, { play: true });
  }

  async #resume() {
    const place = recall("place", null);
    const row = this.albums.rows.find(({ id }) => id === place?.album) ?? this.albums.rows[0];
    await this.open(row.id, row.id === place?.album ? place.track : null);
  }

  // Where there is one column, the player comes first, and the tracks below.
  #arrange() {
    const parts = [this.table.element, this.panel.element];
    this.panel.decisions.before(...(WIDE.matches ? parts : parts.reverse()));
  }

  #filter() {
    const address = this.albums.address("");
    if (location.hash === address) this.show([], this.albums.filter);
    else location.hash = address;
  }

  #empty() {
    if (this.albums.error) return;
    const { show, q } = this.albums.filter;
    this.#notify(
      show === "open" && !q
        ? "Nothing to review. Run beet genreclf to predict the genres of new tracks."
        : "No album matches. Show all albums, or change the query.",
    );
  }

  #notify(text) {
    this.detail.hidden = true;
    this.album = null;
    this.tracks = [];
    this.track = null;
    this.panel.player.clear();
    this.notice.replaceChildren(h("p", {}, text));
    this.notice.hidden = false;
  }
}
