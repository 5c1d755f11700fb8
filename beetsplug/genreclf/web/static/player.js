// The player: audio, spectrogram, the lane of windows and the playhead, all on one clock.

import { request } from "./api.js";
import { button, clock, h, icon, recall, remember, setVars } from "./dom.js";
import { repeatable } from "./keys.js";
import { draw, Lane, secondsOf } from "./timeline.js";

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

export class Player {
  constructor({ onEnd } = {}) {
    this.seconds = 0;
    this.windows = [];
    this.onEnd = onEnd;
    this.audio = h("audio", { preload: "none" });
    this.canvas = h("canvas", { role: "img", "aria-label": "Spectrogram" });
    this.head = h("div", { class: "playhead" });
    this.outline = h("div", { class: "window-outline", hidden: true });
    this.message = h("p", { class: "picture-note" });
    this.seekBar = h("input", {
      type: "range", min: 0, max: 1, step: "any", value: 0, "aria-label": "Position",
    });
    this.lane = new Lane((window) => this.seek(window.start, true));
    this.playButton = h(
      "button",
      { type: "button", class: "play", "aria-label": "Play", "aria-keyshortcuts": "P" },
      icon("play", true),
    );
    this.time = h("span", { class: "time" }, "0:00");
    this.length = h("span", { class: "time soft" });
    this.speed = button("1×", () => this.changeSpeed(0), {
      class: "quiet", title: "Speed: [ slower, ] faster, click for normal", "aria-label": "Speed 1×",
    });
    this.picture = h(
      "div", { class: "picture" },
      this.canvas, this.outline, this.head, this.message, this.seekBar,
    );
    this.element = h("div", { class: "player" }, this.audio, this.picture, this.lane.element);
    this.playOn = h("input", { type: "checkbox" });
    this.playOn.checked = recall("play-on", true);
    this.playOn.addEventListener("change", () => remember("play-on", this.playOn.checked));
    this.controls = h(
      "div", { class: "controls" }, h("p", { class: "times" }, this.time, this.length), this.speed,
    );
    this.rate = recall("speed", 1);
    this.#listen();
    this.changeSpeed(null);
    this.#setReady(false);
  }

  get playing() {
    return !this.audio.paused && !this.audio.ended;
  }

  get position() {
    return this.audio.currentTime || 0;
  }

  // Empty the player for a track that is still loading, or that cannot be shown.
  clear(message = "") {
    this.audio.pause();
    this.audio.replaceChildren();
    this.audio.removeAttribute("src");
    this.audio.load();
    this.seconds = 0;
    this.windows = [];
    this.lane.show([], 1, []);
    this.image = null;
    this.#draw();
    this.note(message);
    this.#setReady(false);
    this.#update();
  }

  // sources: [{src, type}], tried in this order. votes: genres, the first is the predicted one.
  load({ name, seconds, windows, votes, sources, spectrogram, signal }) {
    Object.assign(this, { name, windows, votes, sources });
    this.#setLength(seconds || windows.at(-1)?.end || 1);
    this.#setSources();
    this.#setReady(true);
    this.#update();
    return this.#loadPicture(spectrogram, signal);
  }

  #setLength(seconds) {
    const { name, windows, votes } = this;
    this.seconds = seconds;
    this.seekBar.max = seconds;
    this.length.textContent = `/ ${clock(seconds)}`;
    const most = votes[0];
    this.canvas.setAttribute(
      "aria-label",
      `Spectrogram of ${name}, ${clock(seconds)}` +
        (most ? `. ${most.windows} of ${windows.length} windows are ${most.genre}.` : "."),
    );
    this.lane.show(windows, seconds, votes.map(({ genre }) => genre));
  }

  note(text) {
    this.message.textContent = text;
  }

  async play() {
    if (!this.seconds) return;
    if (this.failed) this.#setSources();
    this.audio.playbackRate = this.rate;
    try {
      await this.audio.play();
    } catch (error) {
      if (error.name === "NotAllowedError") this.note("Press Play: this browser waits for a click.");
    }
  }

  toggle() {
    if (this.playing) this.audio.pause();
    else return this.play();
  }

  seek(seconds, andPlay = false) {
    if (!this.seconds) return;
    this.audio.currentTime = Math.min(Math.max(0, seconds), Math.max(0, this.seconds - 0.05));
    this.#update();
    if (andPlay) this.play();
  }

  step(seconds) {
    this.seek(this.position + seconds);
  }

  stepWindow(direction) {
    const starts = this.windows.map((window) => window.start);
    const next = direction > 0
      ? starts.find((start) => start > this.position + 0.05)
      : starts.findLast((start) => start < this.position - 1);
    if (next !== undefined) this.seek(next);
  }

  // direction: 1 faster, -1 slower, 0 normal, null as remembered.
  changeSpeed(direction) {
    if (direction === 0) this.rate = 1;
    else if (direction) {
      const at = SPEEDS.indexOf(this.rate) + direction;
      this.rate = SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at))];
    }
    this.audio.playbackRate = this.rate;
    this.speed.firstChild.textContent = `${this.rate}×`;
    this.speed.setAttribute("aria-label", `Speed ${this.rate}×`);
    remember("speed", this.rate);
  }

  bindings() {
    return {
      p: () => this.toggle(),
      " ": () => this.toggle(),
      ArrowLeft: repeatable(() => this.step(-5)),
      ArrowRight: repeatable(() => this.step(5)),
      ",": repeatable(() => this.stepWindow(-1)),
      ".": repeatable(() => this.stepWindow(1)),
      "[": () => this.changeSpeed(-1),
      "]": () => this.changeSpeed(1),
    };
  }

  #listen() {
    this.playButton.addEventListener("click", () => this.toggle());
    for (const name of ["play", "pause", "ended", "seeked"])
      this.audio.addEventListener(name, () => this.#update());
    this.audio.addEventListener("play", () => this.#run());
    this.audio.addEventListener("ended", () => this.onEnd?.());
    this.seekBar.addEventListener("input", () => this.seek(Number(this.seekBar.value)));
    this.seekBar.addEventListener("pointerup", () => this.play());
    this.seekBar.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5 }[event.key];
      if (!by || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      this.step(by);
    });
    new ResizeObserver(() => this.#draw()).observe(this.picture);
  }

  #setSources() {
    this.failed = false;
    this.note("");
    this.audio.removeAttribute("src");
    const sources = this.sources.map(({ src, type }) => h("source", { src, type }));
    sources.at(-1)?.addEventListener("error", () => {
      this.failed = true;
      this.note("The audio could not be loaded. Press Play to try again.");
      this.#update();
    });
    this.audio.replaceChildren(...sources);
    this.audio.load();
  }

  async #loadPicture(path, signal) {
    this.picture.classList.add("loading");
    try {
      const answer = await request(path, { signal });
      this.image = await answer.arrayBuffer();
      const seconds = secondsOf(this.image); // decoded, where the library has what the file says
      if (Math.abs(seconds - this.seconds) > 0.1) this.#setLength(seconds);
      this.#draw();
    } catch (error) {
      if (error.name !== "AbortError") this.note(`No spectrogram. ${error.message}`);
    } finally {
      if (!signal?.aborted) this.picture.classList.remove("loading");
    }
  }

  #draw() {
    draw(this.canvas, this.image);
  }

  #setReady(ready) {
    this.playButton.disabled = !ready;
    this.seekBar.disabled = !ready;
    if (!ready) {
      this.length.textContent = "";
      this.picture.classList.remove("loading");
    }
  }

  #run() {
    this.#update();
    if (!this.playing) return;
    if (STILL.matches) setTimeout(() => this.#run(), 250);
    else requestAnimationFrame(() => this.#run());
  }

  #update() {
    const { position, seconds, playing } = this;
    setVars(this.head, { x: seconds ? position / seconds : 0 });
    this.head.hidden = !seconds;
    this.time.textContent = clock(position);
    this.seekBar.value = position;
    const text = `${clock(position)} of ${clock(seconds)}`;
    if (!playing) this.seekBar.setAttribute("aria-valuetext", text);
    if (this.playButton.dataset.playing !== String(playing)) {
      this.playButton.dataset.playing = playing;
      this.playButton.replaceChildren(icon(playing ? "pause" : "play", true));
      this.playButton.setAttribute("aria-label", playing ? "Pause" : "Play");
    }
    const current = this.lane.mark(position);
    this.outline.hidden = !current;
    if (current)
      setVars(this.outline, {
        x: current.start / seconds, w: (current.end - current.start) / seconds,
      });
  }
}

