// The chosen track: its prediction, the player and the decisions.

import { get, store } from "./api.js";
import { button, h, list, setVars, share } from "./dom.js";
import { Player } from "./player.js";
import { isOpen } from "./tracks.js";

const CHOICES = 9;
export const GENRES = "genres"; // the field; models may predict others, too
const AGREEMENT = {
  agrees: "agrees with yours", related: "related to yours", differs: "differs from yours",
};

export class Panel {
  constructor({ decide, skip, undo, ended }) {
    this.decide = decide;
    this.player = new Player({ onEnd: ended });
    this.choices = [];
    this.heading = h("h3", { id: "track-title" });
    this.subtitle = h("p", { class: "soft" });
    this.genre = h("p", { class: "genre" });
    this.meter = h("i", { class: "meter big", "aria-hidden": "true" });
    this.confidence = h("p", { class: "number" });
    this.facts = h("dl", { class: "facts" });
    this.others = h("div", { class: "others" });
    this.chips = h("div", { class: "chips", role: "group", "aria-label": "Correct by choosing a genre" });
    this.#field();
    this.accept = button("Accept", () => decide("accept"), { key: "A", class: "primary" });
    this.keep = button("Keep", () => decide("keep"), { key: "G" });
    this.correct = button("Correct", () => this.openField(), { key: "C" });
    this.skip = button("Skip", skip, { key: "S" });
    this.undo = button("Undo", undo, { key: "U", class: "quiet" });
    store.listeners.add((status) => this.#setUndo(status));
    const { player } = this;
    player.controls.append(h("label", {}, player.playOn, "Autoplay"));
    this.element = h(
      "section",
      { class: "panel", "aria-labelledby": "track-title" },
      h(
        "header",
        {},
        player.playButton,
        h("div", { class: "what" }, this.heading, this.subtitle),
        player.controls,
        h("div", { class: "prediction" }, this.genre, this.confidence, this.meter),
      ),
      player.element,
      this.facts,
      this.others,
    );
    this.decisions = h(
      "div",
      { class: "decisions", role: "group", "aria-label": "Decide" },
      this.form,
      this.chips,
      h("div", { class: "buttons" }, this.accept, this.keep, this.correct, this.skip, this.undo),
    );
  }

  async show(track, play) {
    const isOther = this.track?.id !== track.id;
    const isLoaded = !isOther && this.loaded === track.id;
    this.track = track;
    this.#describe(track);
    if (isLoaded) return;
    this.closeField();
    this.loading?.abort();
    this.loading = new AbortController();
    const { signal } = this.loading;
    this.loaded = null;
    this.player.clear();
    this.#details(null);
    if (track.playable === false) {
      this.player.note("The file of this track is missing.");
      return;
    }
    try {
      const found = await get(`api/tracks/${track.id}`, { signal });
      if (signal.aborted) return;
      this.loaded = track.id;
      this.#details(found);
      const picture = this.player.load({
        name: track.title || "Untitled", seconds: found.seconds, windows: found.windows,
        votes: found.votes, sources: found.audio, signal,
        spectrogram: `api/tracks/${track.id}/spectrogram`,
      });
      if (play) this.player.play();
      await picture;
    } catch (error) {
      if (error.name !== "AbortError" && !signal.aborted) this.player.note(error.message);
    }
  }

  setBusy(busy) {
    for (const element of [this.accept, this.keep, this.correct, this.skip])
      element.ariaDisabled = busy ? "true" : null;
    if (!busy && this.track) this.#setButtons(this.track);
  }

  // Ask for genres, or for labels of another field.
  openField(field = GENRES) {
    if (!this.track) return;
    this.field = field;
    this.form.hidden = false;
    this.decisions.classList.add("correcting");
    const label = `${field === GENRES ? "Genres" : field}, separated by semicolons`;
    this.input.placeholder = this.input.ariaLabel = label;
    this.input.value = "";
    this.#complete();
    this.input.focus();
  }

  closeField() {
    this.form.hidden = true;
    this.decisions.classList.remove("correcting");
  }

  #field() {
    this.options = h("datalist", { id: "genres" });
    this.input = h("input", { type: "text", list: "genres", autocomplete: "off", maxlength: 2000 });
    this.input.addEventListener("input", () => this.#complete());
    this.form = h(
      "form",
      { class: "correct", hidden: true },
      this.input,
      this.options,
      h("button", { type: "submit", class: "primary" }, h("span", {}, "Save")),
      button("Cancel", () => this.#leaveField(), { class: "quiet" }),
    );
    this.form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#leaveField();
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const labels = this.input.value.split(";").map((name) => name.trim()).filter(Boolean);
      if (!labels.length) return this.input.focus();
      this.closeField();
      this.decide("correct", labels, this.field);
    });
  }

  #leaveField() {
    this.closeField();
    this.correct.focus();
  }

  // A datalist completes the whole field: offer each genre after those already typed.
  #complete() {
    const typed = this.input.value.slice(0, this.input.value.lastIndexOf(";") + 1);
    const prefix = typed && `${typed} `;
    const { dataset, children } = this.options;
    if (dataset.prefix === prefix && dataset.field === this.field && children.length) return;
    Object.assign(dataset, { prefix, field: this.field });
    const names = this.field === GENRES ? distinct(store.status?.genres ?? []) : [];
    this.options.replaceChildren(...names.map((value) => h("option", { value: prefix + value })));
  }

  #describe(track) {
    this.heading.textContent = track.title || "Untitled";
    this.subtitle.textContent = [track.artist, track.format].filter(Boolean).join(" · ");
    this.genre.textContent = track.predicted || track.reason || (track.model ? "no genre" : "not predicted");
    this.genre.classList.toggle("none", !track.predicted);
    const { confidence } = track;
    this.confidence.textContent = confidence == null ? "" : share(confidence);
    this.meter.hidden = confidence == null;
    if (confidence != null)
      setVars(this.meter, {
        w: `${confidence * 100}%`, needed: `${(store.status?.min_confidence ?? 0.5) * 100}%`,
      });
    this.confidence.title = `Confidence; ${share(store.status?.min_confidence)} is needed`;
    this.others.replaceChildren(...track.others.map((other) => this.#other(other)));
    this.#setButtons(track);
  }

  // The prediction of another field, with buttons until the user has decided.
  #other({ field, predicted, confidence, reason, value, review, open }) {
    const soft = (text) => text && h("span", { class: "soft" }, text);
    const act = (text, onclick) =>
      open && button(text, onclick, { class: "quiet outlined", "aria-label": `${text}: ${field}` });
    return h(
      "div",
      { role: "group", "aria-label": field },
      soft(field),
      value && h("strong", {}, value),
      soft(review && `(${review})`),
      soft(value && "predicted"),
      predicted || `none (${reason})`,
      soft(confidence != null && share(confidence)),
      predicted && act("Accept", () => this.decide("accept", [], field)),
      act("Keep empty", () => this.decide("keep", [], field)),
      act("Correct", () => this.openField(field)),
    );
  }

  #setButtons(track) {
    this.accept.disabled = !track.predicted;
    this.accept.firstChild.textContent = track.predicted ? `Accept ${track.predicted}` : "Accept";
    this.#setUndo(store.status);
  }

  #setUndo(status) {
    this.undo.disabled = status?.undoable == null;
  }

  // What the analysis adds: votes, probabilities, styles, genres after Accept.
  #details(found) {
    const track = found ?? this.track;
    const rows = [];
    if (found) {
      const two = found.probabilities.slice(0, 2);
      rows.push(
        ["Windows", found.votes.map(({ genre, windows }) => `${genre} ${windows}`).join(", ")],
        ["Most probable", two.map((x) => `${x.genre} ${share(x.probability)}`).join(", ")],
      );
    }
    if (track.styles?.length) rows.push(["Styles", track.styles.join(", ")]);
    const kind = [track.scope && `of the ${track.scope}`, AGREEMENT[track.agreement]].filter(Boolean);
    if (kind.length) rows.push(["Prediction", kind.join(", ")]);
    const then = isOpen(track) && found?.then;
    rows.unshift(["Your genres", [
      list(track.genres),
      track.review && h("span", { class: "soft" }, ` (${track.review})`),
      then && [h("span", { class: "soft" }, " → if accepted "), h("strong", {}, list(then))],
    ].flat()]);
    this.facts.replaceChildren(
      ...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    );
    this.#choices((found?.probabilities ?? []).map(({ genre }) => genre));
  }

  // The probable genres, then the most common of the library, spelled as the library spells them.
  #choices(probable) {
    const common = store.status?.genres ?? [];
    const spelled = new Map(common.toReversed().map((name) => [letters(name), name]));
    const names = [...probable.slice(0, 4), ...common];
    this.choices = distinct(names.map((name) => spelled.get(letters(name)) ?? name)).slice(0, CHOICES);
    this.chips.replaceChildren(
      ...this.choices.map((genre, i) =>
        h(
          "button",
          {
            type: "button", class: "chip", "aria-keyshortcuts": i + 1,
            onclick: () => this.decide("correct", [genre]),
          },
          h("kbd", { "aria-hidden": "true" }, i + 1),
          h("span", {}, genre),
        ),
      ),
    );
  }
}

// The letters and digits of a name: those of "hip hop" and "Hip-Hop" are the same.
const letters = (name) => name.toLowerCase().replace(/[^\p{L}\p{N}&+#]/gu, "") || name;

// Names without those that differ from an earlier one only by case, spaces or punctuation.
function distinct(names) {
  const seen = new Set();
  return names.filter((name) => !seen.has(letters(name)) && seen.add(letters(name)));
}
