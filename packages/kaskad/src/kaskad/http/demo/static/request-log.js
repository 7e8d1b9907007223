import { requests } from "./api.js";
import { t } from "./i18n.js";

const KEEP = 60;
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi;

const cell = (text, className = "") => {
  const node = document.createElement("td");
  node.textContent = text;
  node.className = className;
  return node;
};

/** A path that may break after its separators. */
const breakable = (path) => path.split(/(?<=[/?=])/).flatMap((part) => [part, document.createElement("wbr")]);

function statusOf({ state, status }) {
  if (state === "open") return [t("held"), "is-open"];
  if (state === "failed") return [t("failed"), "is-bad"];
  if (state === "dropped") return ["–", "is-open"];
  return [String(status), status < 400 ? "is-good" : status === 408 ? "is-open" : "is-bad"];
}

/** Lists the calls, newest first: method, path, status and time, never a body. */
export function showRequests({ rows, scroll, empty, count }) {
  const byId = new Map();
  let total = 0;
  requests.addEventListener("request", ({ detail }) => {
    let row = byId.get(detail.id);
    if (!row) {
      row = document.createElement("tr");
      byId.set(detail.id, row);
      rows.prepend(row);
      total += 1;
      if (rows.children.length > KEEP) rows.lastElementChild.remove();
      if (byId.size > KEEP) byId.delete(byId.keys().next().value);
      scroll.hidden = false;
      empty.hidden = true;
      count.textContent = t("requests", { count: total });
    }
    const path = cell("", "path");
    path.append(...breakable(decodeURIComponent(detail.path).replace(UUID, (id) => `${id.slice(0, 8)}…`)));
    if (detail.backEnd) {
      const mark = document.createElement("span");
      mark.className = "tag";
      mark.textContent = t("backEndCall");
      path.append(" ", mark);
    }
    row.replaceChildren(cell(detail.method), path, cell(...statusOf(detail)), cell(detail.ms === null ? "" : `${detail.ms} ms`, "ms"));
  });
}
