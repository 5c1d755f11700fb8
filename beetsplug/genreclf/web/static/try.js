// Try a song: send a file in pieces, and show its prediction. Nothing of it is kept.

import { post, request, store } from "./api.js";
import { announce, bars, button, h, icon, share } from "./dom.js";
import { Player } from "./player.js";

const LIMIT = 300 * 1024 * 1024;

export class Try {
  constructor() {
    this.title = "Try a song";
    this.player = new Player();
    this.input = h("input", { type: "file", accept: "audio/*,.ape,.dsf,.mpc,.wv,.wma,.opus", class: "unseen", id: "file" });
    this.input.addEventListener("change", () => this.#take(this.input.files[0]));
    this.drop = h("label", { class: "drop", for: "file" },
      icon("file"), h("strong", {}, "Drop a song here"), h("span", { class: "soft" }, "or choose a file, or paste one"));
    this.zone = h("div", { class: "zone" }, this.input, this.drop);
    this.bar = h("progress", { max: 1, value: 0, "aria-label": "Progress" });
    this.label = h("p", {});
    this.progress = h("div", { class: "progress", hidden: true }, this.label, this.bar,
      button("Stop", () => this.sending?.abort(), { class: "quiet outlined" }));
    this.problem = h("p", { class: "warning", role: "alert", hidden: true });
    this.result = h("div", { class: "result", hidden: true });
    this.element = h("div", { class: "page" },
      h("h1", {}, "Try a song"),
      h("p", { class: "lead" }, "See the prediction for a file that is not in your library. The file is not kept."),
      this.zone, this.progress, this.problem, this.result);
    this.#listen();
  }

  show() {
    this.visible = true;
  }

  hide() {
    this.visible = false;
    this.player.audio.pause();
  }

  bindings() {
    return this.player.bindings();
  }

  #listen() {
    for (const name of ["dragenter", "dragover", "dragleave", "drop"])
      document.addEventListener(name, (event) => {
        if (!this.visible) return;
        event.preventDefault();
        this.zone.classList.toggle("over", name === "dragenter" || name === "dragover");
        if (name === "drop") this.#take(event.dataTransfer.files[0]);
      });
    document.addEventListener("paste", (event) => {
      if (this.visible && event.clipboardData.files.length) this.#take(event.clipboardData.files[0]);
    });
  }

  async #take(file) {
    if (!file) return;
    this.input.value = "";
    this.sending?.abort();
    const sending = (this.sending = new AbortController());
    const { signal } = sending;
    this.player.clear();
    this.result.hidden = true;
    this.problem.hidden = true;
    this.progress.hidden = false;
    try {
      if (file.size > LIMIT) throw new Error("The file is larger than 300 MB.");
      const id = await this.#send(file, signal);
      this.label.textContent = "Analyzing …";
      this.bar.removeAttribute("value");
      const found = await post(`api/tries/${id}/predict`, {}, { signal });
      this.progress.hidden = true;
      announce(`${file.name}: ${found.predicted || found.reason}.`);
      await this.#draw(file, { id, ...found }, signal);
    } catch (error) {
      if (error.name !== "AbortError") {
        this.problem.textContent = error.message;
        this.problem.hidden = false;
      }
    } finally {
      if (this.sending === sending) this.progress.hidden = true;
    }
  }

  async #send(file, signal) {
    this.label.textContent = `Sending ${file.name} …`;
    const { id, piece } = await post("api/tries", { size: file.size }, { signal });
    for (let offset = 0; offset < file.size; offset += piece) {
      const body = file.slice(offset, offset + piece);
      await request(`api/tries/${id}/data?offset=${offset}`, { method: "POST", body, signal });
      this.bar.value = Math.min(1, (offset + piece) / file.size);
    }
    return id;
  }

  #draw(file, found, signal) {
    if (this.copy) URL.revokeObjectURL(this.copy);
    this.copy = URL.createObjectURL(file);
    const needed = store.status?.min_confidence ?? 0.5;
    const { confidence, predicted, reason } = found;
    const { player } = this;
    this.result.replaceChildren(
      h("section", { class: "panel", "aria-labelledby": "try-title" },
        h("header", {},
          player.playButton,
          h("div", { class: "what" }, h("h2", { id: "try-title" }, file.name),
            h("p", { class: "soft" }, `Predicted by ${found.model} in ${found.took.toFixed(1)} s`)),
          player.controls,
          h("div", { class: "prediction" },
            h("p", { class: predicted ? "genre" : "genre none" }, predicted || reason),
            h("p", { class: "number" }, confidence == null ? "" : share(confidence)),
            confidence != null && h("i", { class: "meter big", "aria-hidden": "true",
              vars: { w: `${confidence * 100}%`, needed: `${needed * 100}%` } }))),
        player.element,
        h("p", {}, meaning(found, needed))),
      h("section", { "aria-labelledby": "probabilities" },
        h("h2", { id: "probabilities" }, "Probabilities"),
        bars(found.probabilities.map(({ genre, probability }, i) => ({
          label: genre, value: probability, text: share(probability), tone: i ? "rest" : null,
        })))),
      found.styles?.length ? h("p", {}, h("span", { class: "soft" }, "Styles "), found.styles.join(", ")) : "",
    );
    this.result.hidden = false;
    this.drop.querySelector("strong").textContent = "Try another song";
    this.zone.classList.add("small");
    const sources = [{ src: this.copy, type: file.type || undefined }, { src: `api/tries/${found.id}/audio.wav`, type: "audio/wav" }];
    return player.load({
      name: file.name, seconds: found.length, windows: found.windows, votes: found.votes,
      sources, spectrogram: `api/tries/${found.id}/spectrogram`, signal,
    });
  }
}

function meaning({ confidence, predicted, reason }, needed) {
  if (confidence == null) return `No genre is predicted: ${reason}.`;
  const of = Math.round(confidence * 100);
  const sense = `Of 100 songs with this confidence, about ${of} have the genre with the most votes.`;
  return predicted ? sense : `${sense} No genre is predicted: ${reason}; ${share(needed)} is needed.`;
}
