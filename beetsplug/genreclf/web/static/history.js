// The history: the runs of this page, newest first, each with Undo.

import { get, refreshStatus } from "./api.js";
import { button, count, h, notice, say } from "./dom.js";
import { undoRun } from "./undo.js";

const DECISIONS = {
  accept: "Accepted", keep: "Kept", correct: "Corrected", mixed: "Decided", predict: "Predicted",
};
const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export class History {
  constructor(onUndo) {
    this.title = "History";
    this.onUndo = onUndo;
    this.body = h("div", {});
    this.element = h("div", { class: "page" }, h("h1", {}, "History"), this.body);
  }

  async show() {
    if (!this.body.firstChild) this.body.replaceChildren(notice("Loading …"));
    try {
      const { runs, next } = await get("api/runs");
      this.runs = runs;
      this.next = next;
      this.#draw();
    } catch (error) {
      this.body.replaceChildren(notice(error.message));
    }
  }

  async #more() {
    const { runs, next } = await get(`api/runs?before=${encodeURIComponent(this.next)}`);
    this.runs.push(...runs);
    this.next = next;
    this.#draw();
  }

  #draw() {
    if (!this.runs.length) {
      this.body.replaceChildren(notice("No decisions yet. They appear here, and each can be undone."));
      return;
    }
    const head = ["When", "Decision", "Tracks"].map((name) => h("th", { scope: "col" }, name));
    this.body.replaceChildren(
      h("table", { class: "plain runs" },
        h("caption", { class: "unseen" }, "Decisions, newest first"),
        h("thead", {}, h("tr", {}, head, h("th", { scope: "col" }, h("span", { class: "unseen" }, "Undo")))),
        h("tbody", {}, this.runs.map((run) => this.#row(run)))),
      this.next ? button("More", () => this.#more(), { class: "quiet" }) : "",
    );
  }

  #row(run) {
    const date = new Date(run.started * 1000);
    const tracks = count(run.tracks, "track");
    const title = run.decision === "predict" ? "" : run.title;
    const undo = button("Undo", () => this.#undo(run), {
      class: "quiet outlined", "aria-label": `Undo: ${title || tracks}`,
    });
    return h("tr", { class: run.undone ? "undone" : null, "data-run": run.id },
      h("td", { class: "soft" }, h("time", { datetime: date.toISOString() }, TIME.format(date)), ` · run ${run.id}`),
      h("td", {}, DECISIONS[run.decision] ?? run.decision, run.field && `: ${run.field}`),
      h("th", { scope: "row" }, title, " ", (run.tracks > 1 || !title) && h("span", { class: "soft" }, tracks)),
      h("td", {}, run.undone ? h("span", { class: "soft" }, "undone") : undo));
  }

  async #undo(run) {
    let text;
    let isError = false;
    try {
      const undone = await undoRun(run);
      if (!undone) return;
      ({ text, isError } = undone);
      this.onUndo();
    } catch (error) {
      text = error.message;
      isError = true;
    }
    say(text, isError);
    await refreshStatus().catch(() => {});
    await this.show();
    const row = [...this.body.querySelectorAll("tr")].find((tr) => tr.dataset.run === String(run.id));
    if (!row) return;
    row.cells[2].append(h("p", { class: isError ? "problem" : "soft" }, text));
    row.tabIndex = -1;
    row.focus();
  }
}
