// Training: start it, see its progress and its report, then use or discard the model.

import { get, pause, post, refreshStatus, store } from "./api.js";
import { announce, artistAndTitle, button, count, h, list, notice, number, percent, say, sentence, share } from "./dom.js";

const RUNNING = { analyzing: "Analyzing tracks", training: "Training", predicting: "Predicting with the new model" };
const ENDED = {
  stopped: "Stopped.", discarded: "The model was discarded. Nothing was changed.", used: "The model is in use.",
};
const MOST_CONFUSED = 8;
const HONEST =
  "Reviewed tracks are not a random sample: where mostly uncertain tracks were reviewed, expect better " +
  "accuracy on the rest; where mostly confident predictions were accepted, expect worse.";

export class Train {
  constructor(onModel) {
    this.title = "Train";
    this.onModel = onModel;
    this.intro = h("div", { class: "intro" });
    this.body = h("div", { class: "job" });
    this.element = h("div", { class: "page" }, h("h1", {}, "Train"), this.intro, this.body);
    store.listeners.add(() => this.#describe());
  }

  async show() {
    this.visible = true;
    if (!store.status) this.intro.replaceChildren(notice("Loading …"));
    try {
      const { training } = await refreshStatus();
      if (training && this.job?.id !== training.id) this.#follow(training.id);
    } catch (error) {
      this.intro.replaceChildren(notice(error.message));
    }
  }

  hide() {
    this.visible = false;
  }

  #describe() {
    const { labels, custom, model, previous, training } = store.status;
    const isWaiting = training?.state === "done";
    const isBusy = training && !isWaiting;
    const item = (value, label) => h("li", {}, h("div", {}, h("strong", {}, number(value)), h("span", {}, label)));
    this.intro.replaceChildren(
      h("p", { class: "lead" }, "Train a model on the genres of your library, with your corrections so far. ",
        "You read its report before anything is changed."),
      h("ul", { class: "figures" },
        item(labels.corrected, "corrected"), item(labels.kept, "kept"), item(labels.accepted, "accepted"),
        item(labels.new, "new since the last training")),
      h("p", { class: "soft" }, `In use: ${model}${custom ? ", trained on your genres" : ""}.`),
      h("div", { class: "buttons" },
        button(isWaiting ? "Train again" : "Train a model", () => this.#start("api/trainings"),
          { class: isWaiting ? "quiet outlined" : "primary", disabled: isBusy }),
        previous && button("Switch to the previous model", () => this.#start("api/models/previous"),
          { class: "quiet outlined", disabled: isBusy })),
    );
  }

  async #start(path) {
    try {
      const { id } = await post(path);
      await this.#follow(id);
    } catch (error) {
      say(error.message, true);
    }
  }

  // Ask once a second until the job waits or has ended.
  async #follow(id) {
    const turn = (this.turn = Symbol("the newest job"));
    for (let state; turn === this.turn; ) {
      try {
        this.job = await get(`api/trainings/${id}`);
      } catch (error) {
        if (error.code !== "gone_server") {
          say(error.message, true);
          return;
        }
        await pause(3000);
        continue;
      }
      if (this.job.state !== state) {
        state = this.job.state;
        refreshStatus().catch(() => {});
        if (state === "used") this.onModel();
        if (this.visible || !RUNNING[state]) this.#announce(state);
      }
      this.#draw();
      if (!RUNNING[state]) return;
      await pause(1000);
    }
  }

  #announce(state) {
    const text = RUNNING[state] ?? ENDED[state] ?? { done: "The report is ready.", failed: "Training failed." }[state];
    if (this.visible) announce(sentence(text));
    else say(sentence(text), state === "failed");
  }

  async #act(action) {
    try {
      await post(`api/trainings/${this.job.id}/${action}`);
      await this.#follow(this.job.id);
    } catch (error) {
      say(error.message, true);
    }
  }

  #draw() {
    const { state, done, total, message, changed } = this.job;
    if (RUNNING[state]) return this.#progress(RUNNING[state], done, total, state !== "training");
    this.progress = null;
    if (state === "done") return this.body.replaceChildren(...this.#report(this.job));
    const parts = [state === "failed" ? message || "Training failed." : message || ENDED[state]];
    if (state === "used" && changed != null)
      parts.push(`${count(done, "track")} predicted again; the genres of ${number(changed)} changed.`);
    this.body.replaceChildren(h("p", { class: state === "failed" ? "warning" : "outcome" }, parts.join(" ")));
  }

  #progress(label, done, total, canStop) {
    if (!this.progress) {
      this.bar = h("progress", { "aria-label": "Progress" });
      this.label = h("p", {});
      this.stop = button("Stop", () => this.#act("stop"), { class: "quiet outlined" });
      this.progress = h("div", { class: "progress" }, this.label, this.bar, this.stop);
      this.body.replaceChildren(this.progress);
    }
    if (total && canStop) Object.assign(this.bar, { max: total, value: done });
    else this.bar.removeAttribute("value");
    this.stop.hidden = !canStop;
    this.label.textContent = total && canStop ? `${label}: ${number(done)} of ${number(total)}` : `${label} …`;
  }

  *#report({ report, use }) {
    yield h("h2", {}, "Report");
    for (const warning of report.warnings) yield h("p", { class: "warning" }, sentence(warning));
    yield h("p", { class: "headline" }, compared(report.comparison));
    yield h("p", { class: "soft" }, tested(report));
    const last = report.last_training;
    if (last)
      yield h("p", { class: "soft" },
        `When ${last.model} was trained, its accuracy was ${percent(last.accuracy)}, on the ${count(last.tracks, "track")} tested then.`);
    yield figures(report);
    yield h("div", { class: "scroll" }, genreTable(report.genres));
    yield h("div", { class: "columns" }, [...more(report)]);
    if (report.skipped.length)
      yield h("p", { class: "soft" },
        `Skipped, with too few tracks: ${report.skipped.map((x) => `${x.genre} (${x.tracks})`).join(", ")}.`);
    yield h("p", { class: "soft honest" }, HONEST);
    yield* this.#choice(report, use);
  }

  *#choice(report, use) {
    const accept = button("Use this model", () => this.#act("use"), { class: "primary" });
    const discard = button("Discard", () => this.#act("discard"), { class: "quiet outlined" });
    if (typeof use === "string") {
      accept.disabled = true;
      yield h("p", { class: "warning" }, use);
    } else if (report.warnings.length) {
      const tick = h("input", { type: "checkbox" });
      accept.disabled = true;
      tick.addEventListener("change", () => {
        accept.disabled = !tick.checked;
      });
      yield h("label", { class: "tick" }, tick, "Use it despite the warnings");
    }
    yield h("div", { class: "buttons" }, accept, discard);
    yield h("p", { class: "soft small" },
      "Using it predicts your tracks again, as one run that you can undo. Reviewed tracks keep their genres.");
  }
}

function tested({ tested, tracks, artists, accepted }) {
  const how = `Tested on ${count(tested, "track")} by unseen artists, trained on ${count(tracks, "track")} by ${count(artists, "artist")}.`;
  return accepted ? `${how} Accepted predictions are trained on but not tested on: ${number(accepted)}.` : how;
}

function compared(comparison) {
  if (!comparison) return "Too few reviewed and labeled tracks to compare it with the bundled model.";
  const { better, tracks, accuracy, previous, with: other } = comparison;
  const word = better > 0 ? "Better" : better < 0 ? "Worse" : "No better";
  const by = better ? ` by ${number(Math.abs(better))} of ${count(tracks, "track")}` : "";
  return `${word} than ${other}${by}: accuracy ${percent(accuracy)} instead of ${percent(previous)}.`;
}

function figures(report) {
  const item = (value, label) => h("div", {}, h("dt", {}, label), h("dd", {}, value));
  return h("dl", { class: "figures" },
    item(percent(report.accuracy), "accuracy"),
    item(percent(report.majority_baseline), "always the most common genre"),
    item(percent(report.coverage), "coverage"),
    item(percent(report.selective_accuracy), "selective accuracy"),
    item(share(report.calibration_error), "calibration error"));
}

function genreTable(genres) {
  const head = ["Genre", "Tracks", "Artists", "Precision", "Recall"];
  return h("table", { class: "plain" },
    h("caption", { class: "unseen" }, "Genres"),
    h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, genres.map((row) =>
      h("tr", {}, h("th", { scope: "row" }, row.genre), h("td", {}, number(row.tracks)),
        h("td", {}, number(row.artists)), h("td", {}, share(row.precision)), h("td", {}, share(row.recall))))));
}

function* more({ confused, suspects }) {
  const section = (title, rows) => h("section", {}, h("h3", {}, title), h("ul", { class: "lines" }, rows));
  if (confused.length)
    yield section("Most confused", confused.slice(0, MOST_CONFUSED).map(({ genre, predicted, tracks }) =>
      h("li", { class: "pair" }, h("span", {}, `${genre} predicted as ${predicted}`), h("span", {}, number(tracks)))));
  if (suspects.length)
    yield section("Possibly mislabeled", suspects.map((x) =>
      h("li", {},
        h("a", { href: `#/review/album/${x.album}/track/${x.track}?show=all` }, artistAndTitle(x)),
        h("p", { class: "soft small" }, `${list(x.genres)}, predicted ${x.predicted} ${share(x.confidence)}`))));
}
