// The picture of a track: the colored spectrogram, and the lane of windows below it.

import { clock, h, setVars, share } from "./dom.js";

// Anchors of a perceptually uniform map from black over violet and orange to cream.
const ANCHORS = [
  [7, 6, 18], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122],
  [229, 80, 100], [251, 135, 97], [254, 194, 135], [252, 253, 191],
];
const COLORS = Uint8ClampedArray.from({ length: 1024 }, (_, i) => {
  if (i % 4 === 3) return 255;
  const at = ((i >> 2) / 255) * (ANCHORS.length - 1);
  const low = Math.min(Math.floor(at), ANCHORS.length - 2);
  const [a, b] = [ANCHORS[low][i % 4], ANCHORS[low + 1][i % 4]];
  return a + (b - a) * (at - low);
});

export const secondsOf = (bytes) => new DataView(bytes).getFloat64(0, true);

// bytes: three float64 (seconds, rows, columns), then the levels, top row first; or null.
export function draw(canvas, bytes) {
  const scale = devicePixelRatio || 1;
  const width = Math.max(1, Math.round(canvas.clientWidth * scale));
  const height = Math.max(1, Math.round(canvas.clientHeight * scale));
  Object.assign(canvas, { width, height });
  if (!bytes) return;
  const header = new DataView(bytes);
  const [rows, columns] = [header.getFloat64(8, true), header.getFloat64(16, true)];
  const levels = new Uint8Array(bytes, 24);
  const image = new ImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++)
    image.data.set(COLORS.subarray(levels[i] * 4, levels[i] * 4 + 4), i * 4);
  const small = document.createElement("canvas");
  Object.assign(small, { width: columns, height: rows });
  small.getContext("2d").putImageData(image, 0, 0);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, width, height);
}

// One button per window, clickable up to halfway to its neighbors. Its bar is at the place of the
// window, but ends there where windows overlap; its height is the probability.
export class Lane {
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.legend = h("ul", { class: "legend" });
    this.row = h("div", { class: "lane", role: "group", "aria-label": "Windows" });
    this.row.addEventListener("keydown", (event) => this.#move(event));
    this.element = h("div", { class: "timeline" }, this.row, this.legend);
    this.windows = [];
    this.buttons = [];
  }

  // order: genres, the one with the most votes first; it is drawn in the accent color.
  show(windows, seconds, order) {
    this.windows = windows;
    this.current = undefined;
    const middles = windows.map(({ start, end }) => (start + end) / 2);
    const edge = (i) => (middles[i - 1] + middles[i]) / 2; // between a window and the one before
    const tone = (genre) => `tone${Math.min(3, Math.max(0, order.indexOf(genre)))}`;
    this.buttons = windows.map((window, i) => {
      const { start, end } = window;
      const after = i ? Math.min(seconds, end + Math.max(0, start - edge(i))) : seconds;
      const right = i + 1 < windows.length ? edge(i + 1) : after;
      const left = i ? edge(i) : Math.max(0, start - Math.max(0, right - end));
      const [from, to] = [Math.max(start, left), Math.min(end, right)];
      const wideLeft = i ? middles[i - 1] : 0;
      const wideRight = i + 1 < windows.length ? middles[i + 1] : seconds;
      const element = h(
        "button",
        {
          type: "button",
          class: tone(window.genre),
          tabindex: i ? -1 : 0,
          "aria-label": `${clock(window.start)} ${window.genre}, ${share(window.probability)}`,
          onclick: () => this.onChoose(window),
        },
        h("i", {}),
        h("span", {}, window.genre),
        h("small", {}, share(window.probability)),
      );
      setVars(element, {
        left: left / seconds,
        width: (right - left) / seconds,
        "wide-left": wideLeft / seconds,
        "wide-width": (wideRight - wideLeft) / seconds,
        start: from / seconds,
        length: (to - from) / seconds,
        p: window.probability,
      });
      return element;
    });
    this.row.replaceChildren(...this.buttons);
    this.legend.replaceChildren(
      ...order.slice(0, 4).map((genre) => h("li", { class: tone(genre) }, genre)),
    );
  }

  // Mark and return the window at a time, the latest where they overlap.
  mark(seconds) {
    const at = this.windows.findLastIndex(({ start, end }) => start <= seconds && seconds < end);
    if (at !== this.current) {
      this.buttons[this.current]?.removeAttribute("aria-current");
      this.buttons[at]?.setAttribute("aria-current", "true");
      this.current = at;
    }
    return this.windows[at];
  }

  #move(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const next = this.buttons[this.buttons.indexOf(event.target) + by];
    if (!by || !next || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
}
