// The overview: counts, the distribution of confidence and the predicted genres.

import { get } from "./api.js";
import { bars, h, notice, number, setVars } from "./dom.js";

const link = (filter) => `#/review?${new URLSearchParams(filter)}`;
const quoted = (term) => `'${term.replaceAll("\\", "\\\\").replaceAll("'", "'\\''")}'`;

export class Overview {
  constructor() {
    this.title = "Overview";
    this.body = h("div", {});
    this.element = h("div", { class: "page" }, h("h1", {}, "Overview"), this.body);
  }

  async show() {
    if (!this.body.firstChild) this.body.replaceChildren(notice("Loading …"));
    try {
      this.#draw(await get("api/overview"));
    } catch (error) {
      this.body.replaceChildren(notice(error.message));
    }
  }

  #draw({ counts, histogram, genres, min_confidence: needed }) {
    if (!counts.total) {
      this.body.replaceChildren(notice("The library is empty. Import music with beet import."));
      return;
    }
    const figure = (value, label, filter) =>
      h(
        "li",
        {},
        h("a", { href: link(filter) }, h("strong", {}, number(value)), h("span", {}, label)),
      );
    this.body.replaceChildren(
      h(
        "ul",
        { class: "figures" },
        figure(counts.open, "to review", { show: "open" }),
        figure(counts.predicted, "predicted", { show: "all", q: "genre_model::." }),
        figure(counts.doubtful, "without a confident prediction", { show: "doubtful" }),
        figure(counts.differs, "differ from your genres", { show: "differs" }),
        figure(counts.reviewed, `reviewed of ${number(counts.total)}`, { show: "reviewed" }),
        figure(counts.unpredicted, "not predicted yet", { show: "unpredicted" }),
      ),
      h(
        "div",
        { class: "columns" },
        h(
          "section",
          { "aria-labelledby": "histogram" },
          h("h2", { id: "histogram" }, "Confidence"),
          histogram.some(Boolean) ? this.#histogram(histogram, needed) : notice("No predictions yet."),
        ),
        h(
          "section",
          { "aria-labelledby": "genres-title" },
          h("h2", { id: "genres-title" }, "Predicted genres"),
          genres.length ? this.#genres(genres) : notice("No predictions yet."),
        ),
      ),
    );
  }

  #histogram(bins, needed) {
    const most = Math.max(...bins);
    const columns = bins.map((tracks, i) => {
      const [low, high] = [i / bins.length, (i + 1) / bins.length].map((x) => x.toFixed(2));
      const label = `${low} to ${high}: ${number(tracks)} tracks`;
      const column = h("i", { class: i / bins.length + 1e-9 < needed ? "low" : null });
      setVars(column, { h: `${(tracks / most) * 100}%` });
      return h(
        "li",
        {},
        h(
          "a",
          {
            href: link({ show: "all", q: `genre_confidence:${low}..${high}` }),
            "aria-label": label, title: label,
          },
          column,
        ),
      );
    });
    const threshold = h("span", { class: "threshold" }, `${needed.toFixed(2)} is needed`);
    setVars(threshold, { x: `${needed * 100}%` });
    return h(
      "div",
      { class: "histogram" },
      h("ol", {}, columns),
      threshold,
      h("p", { class: "axis soft", "aria-hidden": "true" }, ["0", "0.25", "0.5", "0.75", "1"].map((x) => h("span", {}, x))),
      h("p", { class: "soft small" }, "Number of tracks by confidence. Gray: below the threshold."),
    );
  }

  #genres(genres) {
    const most = genres[0].tracks;
    return bars(
      genres.map(({ genre, tracks }) => ({
        label: genre, value: tracks / most, text: number(tracks),
        href: link({ show: "all", q: quoted(`predicted_genre:=${genre}`) }),
      })),
    );
  }
}
