// Requests to the server: JSON, errors with codes, and waiting while the library is busy.

import { sentence } from "./dom.js";

const RETRIES = 3;
const SLOW = 2000; // milliseconds
let announce = () => {};

// gone: called with "gone", "expired" or null whenever the server stops or starts to answer.
export function onConnection(listener) {
  announce = listener;
}

export class ApiError extends Error {
  constructor(status, code, message, body = {}) {
    super(sentence(message));
    Object.assign(this, { status, code, body });
  }
}

const MESSAGES = {
  403: "This address is of an earlier start.",
  413: "This is too large.",
  421: "The server refuses this address.",
};

// onBusy: called when an answer takes long, and before a request is repeated because another
// command uses the library.
// onSearch: called before it is repeated because a slow query is under way.
export async function request(path, { method = "GET", json, body, signal, onBusy, onSearch } = {}) {
  const headers = {};
  if (json !== undefined) headers["Content-Type"] = "application/json";
  else if (body !== undefined) headers["Content-Type"] = "application/octet-stream";
  for (let retries = 0; ; ) {
    const timer = onBusy && setTimeout(onBusy, SLOW);
    let response;
    try {
      response = await fetch(path, {
        method,
        headers,
        signal,
        body: json === undefined ? body : JSON.stringify(json),
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      announce("gone");
      throw new ApiError(0, "gone_server", "The server does not answer.");
    } finally {
      clearTimeout(timer);
    }
    announce(response.status === 403 ? "expired" : null);
    const seconds = Number(response.headers.get("Retry-After"));
    if (response.status === 202 && seconds) {
      onSearch?.();
      await pause(1000 * seconds);
      signal?.throwIfAborted();
      continue;
    }
    if (response.ok) return response;
    const text = await response.text();
    let answer = {};
    try {
      answer = JSON.parse(text);
    } catch {
      // Refusals by the server itself are plain text.
    }
    const { code = "failed", message = MESSAGES[response.status] ?? text } = answer.error ?? {};
    if (response.status === 503 && retries++ < RETRIES) {
      onBusy?.();
      await pause(1000 * (seconds || 2));
      continue;
    }
    throw new ApiError(response.status, code, message, answer);
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const get = async (path, options) => (await request(path, options)).json();
export const post = async (path, json = {}, options = {}) =>
  (await request(path, { method: "POST", json, ...options })).json();

// The state of library and model, kept for every screen.
export const store = { status: null, listeners: new Set() };

export async function refreshStatus() {
  store.status = await get("api/status");
  for (const listener of store.listeners) listener(store.status);
  return store.status;
}
