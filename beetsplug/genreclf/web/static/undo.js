// Undo of a run, for the review and the history.

import { get, post } from "./api.js";
import { artistAndTitle, ask, count, say, sentence } from "./dom.js";

const EXPLANATION =
  "Their predictions, and the genres that came with them, become what they were before. " +
  "The model in use stays; you can switch to the previous one under Train.";

export async function findRun(id) {
  const { runs } = await get(`api/runs?before=${id + 1}&limit=1`);
  return runs[0];
}

// Return what was restored and the text to show, or null if the user does not want it after all.
export async function undoRun(run, options) {
  if (run.decision === "predict") {
    const tracks = count(run.tracks, "track");
    if (!(await ask(`Undo the predictions of ${tracks}?`, EXPLANATION, `Undo ${tracks}`))) return null;
  }
  const restored = [];
  const kept = [];
  const failed = [];
  let after = null;
  do {
    const answer = await post(`api/runs/${encodeURIComponent(run.id)}/undo`, { after }, options);
    restored.push(...answer.restored);
    kept.push(...answer.kept);
    failed.push(...answer.failed);
    after = answer.next;
    if (after) say(`Undoing: ${count(restored.length, "track")} restored so far.`);
  } while (after);
  const names = restored.length === 1 ? artistAndTitle(restored[0]) : `${count(restored.length, "track")} restored`;
  const text = [`Undone: ${names}.`, ...[...kept, ...failed].map(sentence)].join(" ");
  return { restored, text, isError: failed.length > 0 };
}
