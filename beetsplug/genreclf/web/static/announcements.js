// The messages of the review.

import { list, say, sentence } from "./dom.js";

const DONE = { accept: "Accepted", keep: "Kept", correct: "Corrected" };

// Say what was decided. track: as it is then. field: genres, or another.
export function announce(decision, track, field) {
  const other = track.others.find((each) => each.field === field);
  const now = other ? `${field} ${other.value ?? "none"}` : list(track.genres);
  say(`${DONE[decision]} ${track.title || "Untitled"}: ${now}. ${saved([track])}`);
}

export function saved(done) {
  const problem = done.find((track) => track.problem)?.problem;
  if (problem) return `Saved in the database, not in the file: ${sentence(problem)}`;
  return done.every((track) => track.written) ? "Saved to file." : "Saved in the database only.";
}

export const onBusy = () => say("Waiting for the library. Another command may be using it.");
export const report = (error) => error.name === "AbortError" || say(error.message, true);
