import { formatNumber, icon, iconOf, language } from "/handset/static/phone.js";
import { onCall, showCalls } from "./calls.js";
import { BackEnd } from "./back-end.js";
import { $, choose, recall, remember } from "./choices.js";
import { Embed } from "./embed.js";
import { has, speak, t } from "./words.js";

const API = "/demo/api";
const LANGUAGES = ["en", "ru"];

const phone = document.querySelector("kaskad-phone");
const backEnd = new BackEnd();
const embed = new Embed();
const drawCalls = showCalls({ list: $("calls"), empty: $("calls-empty"), count: $("calls-count") });

let config = null;
let widget = null; // the one that is chosen
let element = null; // <kaskad-otp>
let trouble = "";

const chosen = { locale: startLanguage(), theme: document.documentElement.dataset.theme ?? "auto" };

function startLanguage() {
  const asked = new URLSearchParams(location.search).get("lang") ?? recall("language");
  return LANGUAGES.includes(asked) ? asked : language();
}

// Language and theme

function speakEverywhere(locale) {
  chosen.locale = locale;
  speak(locale);
  phone.setAttribute("lang", locale);
  element?.setAttribute("locale", locale);
  if (config) $("example").textContent = t("example", { number: config.exampleNumber });
  drawWidgets();
  drawPhone();
  drawCalls();
  backEnd.draw();
  embed.draw();
  say(trouble);
  showSnippet();
}

function wear(theme) {
  chosen.theme = theme;
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  element?.setAttribute("theme", theme);
  showSnippet();
}

// The widget

function nameOf({ name, channels }) {
  if (channels.length !== 1) return name === "Cascade" ? t("cascade") : name;
  const [{ type }] = channels;
  return config.widgets.filter((each) => each.channels.length === 1 && each.channels[0].type === type).length > 1 || !has(type) ? name : t(type);
}

function aboutOf({ channels }) {
  const [{ type } = {}] = channels;
  if (channels.length === 1) return has(`about${type[0].toUpperCase()}${type.slice(1)}`) ? t(`about${type[0].toUpperCase()}${type.slice(1)}`) : "";
  return t("aboutCascade", { ways: channels.map(({ type: each, label }) => (has(each) ? t(each) : label)).join(" → ") });
}

function drawWidgets() {
  if (!config) return;
  const focused = $("widgets").contains(document.activeElement);
  $("widgets").replaceChildren($("widgets").querySelector("legend"), ...config.widgets.map((each) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    const face = document.createElement("span");
    Object.assign(input, { type: "radio", name: "widget", value: each.id, checked: each === widget });
    face.append(icon(each.channels.length > 1 ? "cascade" : iconOf(each.channels[0]?.type)), nameOf(each));
    label.append(input, face);
    return label;
  }));
  if (focused) $("widgets").querySelector("input:checked")?.focus();
  $("channel-about").textContent = widget ? aboutOf(widget) : "";
}

function take(id) {
  widget = config.widgets.find((each) => each.id === id) ?? config.widgets[0];
  if (!widget) return;
  remember("widget", widget.id, sessionStorage);
  $("channel-about").textContent = aboutOf(widget);
  backEnd.forget();
  element = document.createElement("kaskad-otp");
  for (const [name, value] of Object.entries({ "widget-id": widget.id, "api-url": API, ...chosen })) element.setAttribute(name, value);
  element.addEventListener("otp-ready", drawExample);
  element.addEventListener("otp-sent", ({ detail }) => usePhone(detail.recipient));
  element.addEventListener("otp-verified", ({ detail }) => {
    hideNews(); // of a code that nobody needs any more
    usePhone(detail.recipient);
    backEnd.heard(detail);
  });
  $("place").replaceChildren(element);
  showSnippet();
}

function showSnippet() {
  if (!element) return;
  const look = { locale: chosen.locale, ...(chosen.theme === "auto" ? {} : { theme: chosen.theme }) };
  embed.show(widget.id, look);
}

function startAgain() {
  backEnd.forget();
  usePhone("");
  element.reset();
  drawExample();
  element.focus();
}

/** Where a number is asked for, there is one to take. */
function drawExample() {
  $("example-line").hidden = element?.step !== "phone";
}

/** Types the example into the widget, as a person would. */
function useExample() {
  const input = element.shadowRoot?.querySelector("[part~=phone-input]");
  if (!input) return;
  input.value = config.exampleNumber;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  element.shadowRoot.querySelector("[part~=submit]")?.focus();
}

function say(key) {
  trouble = key;
  $("trouble").textContent = key && t(key);
}

// The phone

function usePhone(recipient) {
  if (recipient !== phone.getAttribute("recipient")) hideNews(); // of another phone
  remember("recipient", recipient, sessionStorage);
  phone.setAttribute("recipient", recipient);
  drawPhone();
}

function drawPhone() {
  const recipient = phone.getAttribute("recipient");
  $("phone-caption").textContent = recipient ? t("phoneFor", { number: formatNumber(recipient) }) : t("phoneNone");
}

onCall(({ path, state }) => {
  drawExample();
  if (state !== "done" || !path.endsWith("/cancel")) return;
  usePhone("");
  backEnd.forget();
});

/** On a small screen the phone is below the form: a message is told of, with a way to it. */
function hideNews() {
  $("news").hidden = true;
}

phone.addEventListener("phone-message", ({ detail }) => {
  const { top, bottom } = phone.getBoundingClientRect();
  if (bottom < innerHeight + 200 && top > -200) return;
  $("news-text").textContent = detail.text;
  $("news").hidden = false;
});
$("news-show").addEventListener("click", () => {
  hideNews();
  phone.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth" });
});
new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && hideNews(), { threshold: 0.4 }).observe(phone);

// The start

async function start() {
  speakEverywhere(chosen.locale);
  choose($("languages"), chosen.locale, (locale) => {
    remember("language", locale);
    speakEverywhere(locale);
  });
  choose($("themes"), chosen.theme, (theme) => {
    remember("theme", theme);
    wear(theme);
  });
  try {
    config = await (await fetch("/demo/config.json", { cache: "no-store" })).json();
    if (config.element) await import(config.element);
  } catch {
    return say("unreachable");
  }
  backEnd.apiBase = config.apiBase;
  usePhone(recall("recipient", sessionStorage) ?? "");
  const last = recall("widget", sessionStorage);
  widget = config.widgets.find(({ id }) => id === last) ?? config.widgets[0];
  drawWidgets();
  $("widgets").addEventListener("change", ({ target }) => take(target.value));
  if (!config.element) return say("notBuilt");
  $("example").textContent = t("example", { number: config.exampleNumber });
  $("example").addEventListener("click", useExample);
  $("another").addEventListener("click", startAgain);
  take(widget?.id);
}

start();
