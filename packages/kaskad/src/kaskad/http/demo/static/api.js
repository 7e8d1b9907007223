/**
 * The calls of a page to its back end. Here the demo server plays that back end under /demo/api.
 * Every call is reported to the listeners of `requests` (never its body, so no code shows up there).
 */

const ROOT = "/demo/api";

export const requests = new EventTarget();

/** An answer of the service that is an error, or no answer at all (type "NetworkError"). */
export class ApiError extends Error {
  constructor({ type, message, httpStatus = 0, payload = null }, { version = null, retryAfter = null } = {}) {
    super(message);
    this.name = "ApiError";
    this.type = type;
    this.httpStatus = httpStatus;
    this.payload = payload;
    this.version = version;
    this.retryAfter = payload?.retryAfter ?? retryAfter;
  }
}

let serial = 0;

function report(entry, change) {
  Object.assign(entry, change);
  requests.dispatchEvent(new CustomEvent("request", { detail: entry }));
}

async function readBody(response) {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

/** The view's version from `ETag: "7"` (also weak), or null. */
function versionOf(response) {
  return /"([^"]+)"/.exec(response.headers.get("ETag") ?? "")?.[1] ?? null;
}

async function call(method, path, { body, signal, backEnd = false } = {}) {
  const entry = { id: ++serial, method, path, backEnd, status: null, ms: null, state: "open" };
  const started = performance.now();
  const took = () => Math.round(performance.now() - started);
  report(entry, {});
  let response;
  try {
    response = await fetch(ROOT + path, {
      method,
      signal,
      cache: "no-store",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    report(entry, { ms: took(), state: error.name === "AbortError" ? "dropped" : "failed" });
    if (error.name === "AbortError") throw error;
    throw new ApiError({ type: "NetworkError", message: "" });
  }
  const data = await readBody(response);
  report(entry, { ms: took(), status: response.status, state: "done" });
  const version = versionOf(response);
  if (response.ok && data !== null) return { data, version };
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  const unknown = { type: "InternalServerErrorException", message: "", httpStatus: response.status };
  throw new ApiError(data?.type ? data : unknown, { version, retryAfter });
}

const query = (recipient) => `?recipient=${encodeURIComponent(recipient)}`;

export async function loadConfig() {
  const response = await fetch("/demo/config.json", { cache: "no-store" });
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

export const send = async (widgetId, recipient, locale) =>
  (await call("POST", "/", { body: { widgetId, recipient, locale } })).data;

export const getChannel = (requestId, { signal } = {}) => call("GET", `/${requestId}/channel`, { signal });

/** Held by the server until the channel's view is newer than `since`. */
export const waitChannel = (requestId, since, { signal } = {}) =>
  call("GET", `/longPolling/${requestId}/channel${since === null ? "" : `?since=${encodeURIComponent(since)}`}`, { signal });

export const checkCode = async (requestId, code) => (await call("POST", `/${requestId}/checkCode`, { body: { code } })).data;

export const resend = async (requestId, { next = false } = {}) =>
  (await call("POST", `/${requestId}/resend`, next ? { body: { next: true } } : {})).data;

export const cancel = async (requestId) => (await call("POST", `/${requestId}/cancel`)).data;

export const getStatus = async (requestId, recipient) => (await call("GET", `/${requestId}/status${query(recipient)}`)).data;

/** The back end's own question; the demo server asks it so that the page can show the answer. */
export const checkStatusAndComplete = async (requestId, recipient) =>
  (await call("POST", `/${requestId}/checkStatusAndComplete${query(recipient)}`, { backEnd: true })).data;
