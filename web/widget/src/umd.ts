/** The drop-in form: draws a widget into each container that `window.OTP_WIDGETS` names. */

import { script } from "./beside";
import { KaskadOtp } from "./element";
import { en } from "./i18n/en";
import { registerLocale } from "./i18n/index";
import { ru } from "./i18n/ru";

/** One entry of `window.OTP_WIDGETS`. */
export interface OtpWidget {
  widgetId: string;
  containerId?: string;
  locale?: string;
  autofocus?: boolean;
  apiUrl?: string;
  theme?: string;
}

declare global {
  var OTP_WIDGETS: OtpWidget[] | undefined;
}

/** The mark of a page that has this script already. */
const LOADED = Symbol.for("otp-widget.umd");

let waiting: OtpWidget[] = [];

/** Draws what has its container by now; the rest waits for the page to make it. */
function mount(): void {
  waiting = waiting.filter((widget) => {
    const id = widget.containerId ?? "otp-widget";
    const container = document.getElementById(id);
    if (!container) return true;
    if (container.querySelector("kaskad-otp")) complain(`#${id} has a widget already`, widget);
    else fill(container, widget);
    return false;
  });
  if (!waiting.length) watcher.disconnect();
}

const watcher = new MutationObserver(mount);

/** So long after the page has come, a container that it makes late is there as a rule. */
const LATE_MS = 3000;

/** One that is not there yet may come with a dialog; one that is misspelt never does. */
function miss(widgets: OtpWidget[]): void {
  for (const widget of widgets.filter((each) => waiting.includes(each))) {
    const { containerId: id = "otp-widget" } = widget;
    complain(`no element of the page has id="${id}" (containerId) yet`, widget);
  }
}

/** Whoever writes the page has to hear of it: its visitors cannot mend it. */
function complain(what: string, entry: unknown): void {
  // biome-ignore lint/suspicious/noConsole: the console is where they look
  console.error(`OTP_WIDGETS: ${what}:`, entry);
}

/** An entry that names no widget must not take the container of one that does. */
function add(widgets: OtpWidget[]): void {
  for (const each of widgets) {
    if (each?.widgetId) waiting.push(each);
    else complain("widgetId is missing", each);
  }
  watcher.observe(document, { childList: true, subtree: true });
  mount();
  const look = () => setTimeout(miss, LATE_MS, widgets);
  if (document.readyState === "complete") look();
  else addEventListener("load", look);
}

function fill(container: HTMLElement, widget: OtpWidget): void {
  const element = document.createElement("kaskad-otp");
  const { widgetId, locale, apiUrl, theme, autofocus } = widget;
  for (const [name, value] of Object.entries({
    "widget-id": widgetId,
    locale,
    "api-url": apiUrl,
    theme,
    autofocus: autofocus ? "" : undefined,
  })) {
    if (value !== undefined) element.setAttribute(name, value);
  }
  if (script?.nonce) element.nonce = script.nonce;
  element.addEventListener("otp-verified", ({ detail }: CustomEventInit) => {
    const { requestId, recipient } = detail;
    container.dispatchEvent(
      new CustomEvent("code:check", {
        detail: [{ requestId, recipient, status: "success" }],
        bubbles: true,
      }),
    );
  });
  container.append(element);
}

/** A later push is a widget, too. */
function follow(widgets: OtpWidget[] | undefined): void {
  if (!Array.isArray(widgets)) return;
  const push = widgets.push;
  widgets.push = (...more) => {
    add(more);
    return push.apply(widgets, more);
  };
  add(widgets);
}

function start(): void {
  registerLocale("en", en);
  registerLocale("ru", ru);
  if (script) KaskadOtp.defaultApiUrl = `${new URL(script.src).origin}/sdk`;
  if (!customElements.get("kaskad-otp")) customElements.define("kaskad-otp", KaskadOtp);

  let current: OtpWidget[] | undefined;
  const set = (widgets: OtpWidget[] | undefined): void => {
    if (widgets === current) return;
    current = widgets;
    follow(widgets);
  };
  // By its name alone, for one that is declared with `let` is no property of the window.
  const look = () => set(typeof OTP_WIDGETS === "undefined" ? undefined : OTP_WIDGETS);
  look();
  const property = { configurable: true, enumerable: true, get: () => current, set };
  // One that is declared with `var` stays as it is: whether it is another one by then is looked up.
  if (!Reflect.defineProperty(window, "OTP_WIDGETS", property)) {
    for (const type of ["DOMContentLoaded", "load"]) addEventListener(type, look);
  }
}

if (!(LOADED in window)) start();
Object.assign(window, { [LOADED]: true });
