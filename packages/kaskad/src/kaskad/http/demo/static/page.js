import { clock, t } from "./i18n.js";

/** Small parts of the page: its memory, its buttons, its sentences. */

const KEY = "kaskad-demo";

export const $ = (id) => document.getElementById(id);

// What survives a reload

export function recall() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

export function remember(change) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ ...recall(), ...change }));
  } catch {
    // Storage may be switched off: then a reload starts anew.
  }
}

export const forget = () => remember({ requestId: null, verified: false, answers: [] });

// Small helpers

export function busy(button, text) {
  button.setAttribute("aria-disabled", "true");
  button.textContent = text;
}

export function idle(button, text) {
  button.removeAttribute("aria-disabled");
  button.textContent = text;
}

export const isBusy = (button) => button.getAttribute("aria-disabled") === "true";

/** Writes only what differs, so that a live region speaks only of news. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The same for a sentence with a phone number in it, which stays on one line. */
export function sayWithNumber(node, text, number) {
  if (node.textContent === text) return;
  const [before, after] = text.split(number);
  if (after === undefined) return say(node, text);
  const part = document.createElement("span");
  part.className = "nowrap";
  part.textContent = number;
  node.replaceChildren(before, part, after);
}

/** An error of any call in words for a person; the server's own message where ours would say less. */
export function explain(error) {
  switch (error.type) {
    case "NetworkError": return t("errNetwork");
    case "RateLimitException": return error.retryAfter ? t("errRateIn", { time: clock(error.retryAfter) }) : t("errRate");
    case "ServiceUnavailableException": return t("errBusy");
    case "InternalServerErrorException": return t("errServer");
    case "WidgetIsBlockedException": return t("errBlocked");
    case "WidgetNotFoundException": return t("errWidget");
    case "CaptchaNotConfirmedException": return t("errCaptcha");
    case "UnauthorizedException":
    case "ForbiddenException": return t("errAccess");
    case "NoAvailableChannelsException": return t("errNoChannels");
    case "RestartCooldownActiveException": return t("tooEarly");
    default: return error.message || t("errServer");
  }
}
