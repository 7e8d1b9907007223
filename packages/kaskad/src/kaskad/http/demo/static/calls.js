import { t } from "./words.js";

/**
 * Lists the calls that this page makes, newest first, each with its JSON.
 *
 * Importing this module puts a listener around `fetch`, so it has to come before the widget.
 * A code that somebody typed is never kept.
 */

const ROOT = "/demo/api";
const KEEP = 40;
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi;
const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?/g;

const heard = new EventTarget();
const native = window.fetch.bind(window);
let serial = 0;

window.fetch = async (input, init) => {
  const url = new URL(input instanceof Request ? input.url : input, location.href);
  if (url.origin !== location.origin || !url.pathname.startsWith(`${ROOT}/`)) return native(input, init);
  const method = init?.method ?? (input instanceof Request ? input.method : "GET");
  const call = { id: ++serial, method, path: url.pathname.slice(ROOT.length) + url.search, sent: sentJson(init), state: "open" };
  const began = performance.now();
  const report = (change) => heard.dispatchEvent(new CustomEvent("call", { detail: Object.assign(call, change) }));
  report({});
  try {
    const response = await native(input, init);
    const body = await response.clone().json().catch(() => null);
    report({ state: "done", status: response.status, body, ms: Math.round(performance.now() - began) });
    return response;
  } catch (error) {
    report({ state: error.name === "AbortError" ? "dropped" : "failed", ms: Math.round(performance.now() - began) });
    throw error;
  }
};

function sentJson(init) {
  if (typeof init?.body !== "string") return null;
  try {
    const sent = JSON.parse(init.body);
    return "code" in sent ? { ...sent, code: "•".repeat(String(sent.code).length) } : sent;
  } catch {
    return null;
  }
}

/** Tells of each call twice: when it begins and when it has ended. */
export const onCall = (listener) => heard.addEventListener("call", ({ detail }) => listener(detail));

function el(tag, className, ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children);
  return node;
}

/** JSON as text nodes, with a class for each kind of thing. */
function coloured(value) {
  const text = JSON.stringify(value, null, 2);
  const code = document.createElement("code");
  let at = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [whole, string, colon] = match;
    code.append(text.slice(at, match.index), el("span", string ? (colon ? "is-key" : "is-text") : "is-value", string ?? whole), colon ?? "");
    at = match.index + whole.length;
  }
  code.append(text.slice(at));
  return el("pre", "json", code);
}

function statusOf({ state, status }) {
  if (state !== "done") return [t({ open: "held", failed: "failed", dropped: "dropped" }[state]), state === "failed" ? "is-bad" : "is-open"];
  return [String(status), status < 400 ? "is-good" : status === 408 ? "is-open" : "is-bad"];
}

const short = (path) => decodeURIComponent(path).replace(UUID, (id) => `${id.slice(0, 8)}…`);

const isBackEnd = (call) => call.path.includes("/checkStatusAndComplete");

class Row {
  constructor(call) {
    this.call = call;
    this.node = el("details", "call");
    this.node.append(document.createElement("summary"));
    this.node.addEventListener("toggle", () => this.node.open && this.#open());
  }

  draw() {
    const { method, path, ms } = this.call;
    const [status, kind] = statusOf(this.call);
    const where = el("span", "path", ...short(path).split(/(?<=[/?=])/).flatMap((part) => [part, document.createElement("wbr")]));
    if (isBackEnd(this.call)) where.append(" ", el("span", "tag", t("byBackEnd")));
    this.node.querySelector("summary").replaceChildren(
      el("span", "method", method), where, el("span", `status ${kind}`, status), el("span", "ms", ms === undefined ? "" : `${ms} ms`));
    if (this.node.open) this.#open();
  }

  #open() {
    const { sent, body } = this.call;
    this.node.querySelectorAll(".part").forEach((part) => part.remove());
    for (const [title, value] of [[t("request"), sent], [t("answer"), body]]) {
      this.node.append(el("div", "part", el("p", "part-title", title), value ? coloured(value) : el("p", "hint", t("noBody"))));
    }
  }
}

/** Draws the list into `list`; the function that comes back draws it again, in another language. */
export function showCalls({ list, empty, count }) {
  const rows = new Map();
  const counted = () => (count.textContent = serial ? t("callsCount", { count: serial }) : "");
  onCall((call) => {
    let row = rows.get(call.id);
    if (!row) {
      row = new Row(call);
      rows.set(call.id, row);
      list.prepend(row.node);
      empty.hidden = true;
    }
    row.draw();
    for (const id of [...rows.keys()].slice(0, -KEEP)) {
      rows.get(id).node.remove();
      rows.delete(id);
    }
    counted();
  });
  return () => {
    for (const row of rows.values()) row.draw();
    counted();
  };
}
