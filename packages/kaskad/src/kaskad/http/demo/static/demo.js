import { formatNumber } from "/handset/static/phone.js";
import * as api from "./api.js";
import { CodeField } from "./code-field.js";
import { follow, isPassing } from "./follow.js";
import { about, clock, lang, t, translate } from "./i18n.js";
import { $, busy, explain, forget, idle, isBusy, recall, remember, say, sayWithNumber } from "./page.js";
import { showRequests } from "./request-log.js";
import { ResendButton } from "./resend-button.js";

const phone = document.querySelector("kaskad-phone");
const STEPS = { start: $("start"), code: $("code-step"), verified: $("verified"), ended: $("ended") };

const ENDED = {
  AttemptsExpiredException: "endedAttempts",
  NoAvailableChannelsException: "endedChannels",
  SessionClosedException: "endedClosed",
  SessionAlreadyConfirmedException: "endedClosed",
  SessionNotFoundException: "endedUnknown",
  PhoneNumberMismatchException: "endedMismatch",
  WidgetIsBlockedException: "endedBlocked",
};

let config = null;
let run = null; // the verification on screen: { requestId, recipient, widgetId, stop, channel, ended, answers }
let step = "start";
let checking = false;
let refused = { code: "", at: -Infinity }; // the last wrong code and when the page learned of it
let sending = false;

const REFLEX_MS = 1000;

function show(name, { focus = true } = {}) {
  step = name;
  for (const [key, section] of Object.entries(STEPS)) section.hidden = key !== name;
  const current = name === "ended" ? "code" : name;
  let done = true;
  for (const item of document.querySelectorAll(".progress li")) {
    if (item.dataset.step === current) done = false;
    item.toggleAttribute("data-done", done || name === "verified");
    if (item.dataset.step === current) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
  if (focus) STEPS[name].querySelector("h2").focus();
  hideNews();
}

function useNumber(recipient) {
  phone.setAttribute("recipient", recipient ?? "");
  $("phone-caption").textContent = recipient ? t("phoneFor", { number: formatNumber(recipient) }) : t("phoneNone");
}

// Step 1: the number

async function start() {
  try {
    config = await api.loadConfig();
  } catch {
    say($("start-alert"), t("errConfig"));
    idle($("send"), t("retry"));
    return;
  }
  say($("start-alert"), "");
  idle($("send"), t("send"));
  const saved = recall();
  $("widget").replaceChildren(...config.widgets.map(({ id, name }) => new Option(name, id)));
  if (config.widgets.some(({ id }) => id === saved.widgetId)) $("widget").value = saved.widgetId;
  drawCascade();
  $("hood-text").textContent = t("hoodText", { base: config.apiBase });
  $("example").textContent = t("useExample", { number: config.exampleNumber });
  $("example").hidden = !config.exampleNumber;
  if (saved.recipient && !$("recipient").value) $("recipient").value = formatNumber(saved.recipient);
  if (saved.requestId && saved.recipient) resume(saved);
}

function resume({ requestId, recipient, widgetId, verified, answers = [] }) {
  run = { requestId, recipient, widgetId, stop: new AbortController(), channel: null, answers };
  useNumber(recipient);
  if (verified) showVerified({ focus: false });
  else openCode({ focus: false });
}

function drawCascade() {
  const widget = config.widgets.find(({ id }) => id === $("widget").value);
  $("cascade").replaceChildren(...(widget?.channels ?? []).map(({ label, type }) => {
    const item = document.createElement("li");
    item.textContent = label || type;
    return item;
  }));
}

function recipientError(text) {
  say($("recipient-error"), text);
  if (text) $("recipient").setAttribute("aria-invalid", "true");
  else $("recipient").removeAttribute("aria-invalid");
}

async function send() {
  if (sending || isBusy($("send"))) return;
  if (!config) return start();
  sending = true;
  recipientError("");
  say($("start-alert"), "");
  busy($("send"), t("sending"));
  const widgetId = $("widget").value;
  let patience = 0;
  try {
    const { requestId, recipient = $("recipient").value } = await api.send(widgetId, $("recipient").value, lang);
    run = { requestId, recipient, widgetId, stop: new AbortController(), channel: null, answers: [] };
    remember({ requestId, recipient, widgetId, verified: false, answers: [] });
    useNumber(recipient);
    openCode();
  } catch (error) {
    if (error.name !== "ApiError") throw error;
    if (error.type === "ValidateError") {
      recipientError(error.payload?.fields?.recipient ? t("errNumber", { message: error.message }) : error.message);
      $("recipient").focus();
      $("recipient").select();
    } else {
      say($("start-alert"), explain(error));
      if (error.type === "RateLimitException") patience = error.retryAfter ?? 0;
    }
  } finally {
    sending = false;
  }
  waitToSend(patience);
}

function waitToSend(seconds) {
  if (seconds <= 0) return idle($("send"), t("send"));
  if (seconds === 1) setTimeout(() => say($("start-alert"), ""), 1000);
  busy($("send"), t("sendIn", { time: clock(seconds) }));
  setTimeout(() => waitToSend(seconds - 1), 1000);
}

// Step 2: the code, or a confirmation elsewhere

const field = new CodeField($("code"), $("cells"), { onComplete: () => check(), onEdit: () => say($("code-error"), "") });
const resendButton = new ResendButton($("resend"), { siblings: [$("another-way")], live: $("countdown") });

function openCode({ focus = true } = {}) {
  field.clear();
  $("code").removeAttribute("aria-invalid");
  for (const id of ["code-error", "session-alert", "line", "help", "countdown"]) say($(id), "");
  for (const id of ["notice", "mask", "code-form", "waiting", "resend", "another-way"]) $(id).hidden = true;
  $("code-heading").textContent = t("codeHeading");
  $("status").dataset.state = "loading";
  show("code", { focus });
  listen();
}

function listen() {
  const mine = run;
  follow(mine.requestId, {
    signal: mine.stop.signal,
    onChannel: (channel) => run === mine && drawChannel(channel),
    onError: (error) => run === mine && sessionError(error),
    onTrouble: (error) => run === mine && showTrouble(error),
  });
}

function showTrouble(error) {
  const text = error?.type === "NetworkError" ? t("reconnecting") : error ? explain(error) : "";
  say($("session-alert"), text);
  // What the check said about the service is no longer true; what it said about a code stays.
  if (!error && !$("code").hasAttribute("aria-invalid")) say($("code-error"), "");
}

/** Reads the channel once more, outside the poll; an error of the session is shown and null returned. */
async function readAgain(mine) {
  try {
    const { data } = await api.getChannel(mine.requestId);
    if (run !== mine || step !== "code") return null;
    drawChannel(data);
    return data;
  } catch (error) {
    if (error.name !== "ApiError") throw error;
    if (run === mine && !isPassing(error)) sessionError(error);
    return null;
  }
}

function drawChannel(channel) {
  if (step !== "code") return;
  if (channel.status === "confirmed") return showVerified();
  const before = run.channel;
  const number = formatNumber(run.recipient);
  const changed = before !== null && before.type !== channel.type;
  const again = before !== null && !changed && (run.ended || (channel.status === "wait" && before.status !== "wait"));
  const length = channel.settings?.code?.length ?? 0;
  const codeless = channel.codeType === "codeless";
  run.channel = channel;
  run.ended = false;
  if (changed || again) newLaunch(about(changed ? "instead" : "again", channel));
  $("status").dataset.state = channel.status;
  $("status").dataset.channel = channel.type;
  sayWithNumber($("line"), about(channel.status === "wait" ? "wait" : "sent", channel, { number }), number);
  say($("help"), channel.payload?.help ?? hintFor(channel, length, codeless));
  heading(codeless ? (channel.type === "sim_push" ? "pushHeading" : "otherHeading") : channel.type === "flashcall" ? "callerHeading" : "codeHeading");
  const mask = channel.payload?.callerIdMask;
  $("mask").hidden = !mask;
  $("mask").textContent = mask ?? "";
  if (!codeless) drawField(channel, length);
  leaveHidden($("code-form"), codeless);
  $("waiting").hidden = !codeless;
  resendButton.show(channel);
  $("another-way").hidden = channel.payload?.next?.action !== "restart" || !hasMoreWays(channel);
}

function newLaunch(text) {
  $("notice").hidden = false;
  $("notice").textContent = text;
  field.renew();
  $("code").removeAttribute("aria-invalid");
  say($("code-error"), "");
  say($("session-alert"), "");
}

function hintFor(channel, length, codeless) {
  if (codeless) return t(channel.type === "sim_push" ? "hintPush" : "hintOther");
  if (channel.type === "flashcall") return t("hintFlash", { count: length });
  if (channel.type === "voice") return t("hintVoice");
  return length ? t("hintText", { count: length }) : "";
}

function drawField(channel, length) {
  if (length) field.length = length;
  $("code-label").textContent = about("label", channel, { count: length });
  $("code").autocomplete = channel.type === "flashcall" || channel.type === "voice" ? "off" : "one-time-code";
}

function heading(key) {
  say($("code-heading"), t(key));
}

/** Hides a part of the step without losing the keyboard's place. */
function leaveHidden(node, hidden) {
  const inside = node.contains(document.activeElement);
  node.hidden = hidden;
  if (hidden && inside) $("code-heading").focus();
}

function hasMoreWays(channel) {
  const channels = config.widgets.find(({ id }) => id === run.widgetId)?.channels ?? [];
  const at = channels.findIndex(({ type }) => type === channel.type);
  return at >= 0 && at < channels.length - 1;
}

/** An error that tells of the session itself, from whichever call it came. */
function sessionError(error) {
  if (step !== "code") return;
  if (error.type === "ResendChannelException") return launchEnded();
  if (error.type === "IsCodelessChannelException" || error.type === "ChannelChangedException") return void readAgain(run);
  const declined = error.type === "NoAvailableChannelsException" && run.channel?.codeType === "codeless" && run.channel.status === "sent";
  end(declined ? "endedDeclined" : ENDED[error.type] ?? "endedOther", error);
}

function launchEnded() {
  run.ended = true;
  const codeless = run.channel?.codeType === "codeless";
  hideNews();
  heading(codeless ? "askAgainHeading" : "newCodeHeading");
  $("status").dataset.state = "ended";
  $("notice").hidden = true;
  say($("line"), t(codeless ? "pushEnded" : "launchEnded"));
  say($("help"), "");
  say($("code-error"), "");
  leaveHidden($("code-form"), true);
  for (const id of ["waiting", "mask", "another-way"]) $(id).hidden = true;
  resendButton.release();
}

async function check() {
  if (checking) return;
  const mine = run;
  const code = field.value;
  if (field.length && code.length < field.length) {
    say($("code-error"), t("incomplete", { count: field.length }));
    return field.reject();
  }
  // Enter right after the last digit, which had already sent the code: not a second attempt.
  if (code === refused.code && performance.now() - refused.at < REFLEX_MS) return;
  checking = true;
  say($("code-error"), "");
  busy($("verify"), t("verifying"));
  $("code").readOnly = true;
  try {
    await api.checkCode(mine.requestId, code);
    if (run === mine) showVerified();
  } catch (error) {
    if (error.name !== "ApiError") throw error;
    if (run === mine && step === "code") await checkFailed(mine, error);
  } finally {
    checking = false;
    $("code").readOnly = false;
    idle($("verify"), t("verify"));
  }
}

async function checkFailed(mine, error) {
  if (error.type === "InvalidCodeException") {
    const channel = await readAgain(mine);
    if (run !== mine || step !== "code" || run.ended || channel?.codeType === "codeless") return;
    refused = { code: field.value, at: performance.now() };
    const left = channel?.remainingCodeAttempts;
    $("code").readOnly = false;
    say($("code-error"), left > 0 ? `${t("wrongCode")} ${t("attemptsLeft", { count: left })}` : t("wrongCode"));
    return field.reject();
  }
  if (error.type === "ValidateError" || isPassing(error)) {
    say($("code-error"), explain(error));
    return field.reject({ wrong: error.type === "ValidateError" });
  }
  sessionError(error);
}

async function resend(button, options) {
  const mine = run;
  if (isBusy(button)) return resendButton.explain();
  say($("session-alert"), "");
  for (const each of [$("resend"), $("another-way")]) each.setAttribute("aria-disabled", "true");
  try {
    await api.resend(mine.requestId, options);
  } catch (error) {
    if (error.name !== "ApiError") throw error;
    if (run === mine) await resendFailed(mine, error, button);
  }
}

async function resendFailed(mine, error, button) {
  const alert = $("session-alert");
  for (const each of [$("resend"), $("another-way")]) each.removeAttribute("aria-disabled");
  switch (error.type) {
    case "RestartCooldownActiveException":
    case "RateLimitException":
      resendButton.postpone(error.retryAfter ?? 5);
      return say(alert, explain(error));
    case "NoAvailableChannelsException":
      say(alert, t("noOtherWay"));
      $("code-heading").focus();
      button.hidden = true;
      return;
    case "SessionAlreadyConfirmedException":
      return confirmedElsewhere(mine);
    default:
      if (isPassing(error) || error.type === "ValidateError") return say(alert, explain(error));
      return sessionError(error);
  }
}

async function confirmedElsewhere(mine) {
  try {
    const { success } = await api.getStatus(mine.requestId, mine.recipient);
    if (run === mine && success) return showVerified();
    if (run === mine) end("endedClosed");
  } catch (error) {
    if (error.name !== "ApiError") throw error;
    if (run === mine) sessionError(error);
  }
}

function close() {
  run?.stop.abort();
  resendButton.stop();
  run = null;
  forget();
}

async function wrongNumber() {
  const { requestId } = run;
  close();
  useNumber(null);
  show("start");
  try {
    await api.cancel(requestId);
  } catch (error) {
    // The session ends by itself later; the person has already moved on.
    if (error.name !== "ApiError") throw error;
  }
}

function end(key, error) {
  const number = formatNumber(run.recipient);
  close();
  $("ended-heading").textContent = t(key);
  sayWithNumber($("ended-text"), key === "endedOther" || key === "endedBlocked" ? explain(error) : t(`${key}Text`, { number }), number);
  show("ended");
}

// Step 3: verified, and the back end's question

function showVerified({ focus = true } = {}) {
  if (step === "verified") return;
  run.stop.abort();
  resendButton.stop();
  remember({ verified: true });
  $("verified-number").textContent = formatNumber(run.recipient);
  $("verified").dataset.recipient = run.recipient;
  $("backend-request").textContent =
    `POST ${config.apiBase}/${run.requestId}/checkStatusAndComplete?recipient=${encodeURIComponent(run.recipient)}`;
  $("answers").replaceChildren();
  say($("backend-alert"), "");
  const { answers } = run;
  answers.forEach((success, index) => drawAnswer(success, index + 1));
  drawOnce();
  show("verified", { focus });
  if (!answers.length) askBackEnd();
}

function drawAnswer(success, index) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  const value = document.createElement("code");
  name.textContent = index === 1 ? t("answerFirst") : t("answerAgain", { count: index });
  value.textContent = `{ "success": ${success} }`;
  item.className = success ? "is-true" : "is-false";
  item.dataset.success = String(success);
  item.append(name, value);
  $("answers").append(item);
}

function drawOnce() {
  const { length } = run.answers;
  say($("once"), length === 0 ? "" : t(length === 1 ? "onceText" : "onceShown"));
  idle($("complete-again"), t(["retry", "completeAgain"][length] ?? "completeMore"));
}

async function askBackEnd() {
  const mine = run;
  if (isBusy($("complete-again"))) return;
  busy($("complete-again"), t("asking"));
  say($("backend-alert"), "");
  try {
    const { success } = await api.checkStatusAndComplete(mine.requestId, mine.recipient);
    mine.answers.push(success);
    if (run !== mine) return;
    remember({ answers: mine.answers });
    drawAnswer(success, mine.answers.length);
  } catch (error) {
    if (error.name !== "ApiError") throw error;
    if (run === mine) say($("backend-alert"), explain(error));
  }
  if (run === mine) drawOnce();
}

function startOver() {
  if (run) close();
  useNumber(null);
  show("start");
}

// News of a phone that is out of sight

let phoneInSight = true;
new IntersectionObserver(([entry]) => {
  phoneInSight = entry.intersectionRatio >= 0.3;
  if (phoneInSight) hideNews();
}, { threshold: [0, 0.3, 0.6] }).observe(phone);

function hideNews() {
  $("news").hidden = true;
}

phone.addEventListener("phone-message", ({ detail }) => {
  if (phoneInSight || step !== "code") return;
  const text = detail.callerId ? t("incomingCall", { number: formatNumber(detail.callerId) }) : detail.text;
  $("news-text").textContent = t("phoneNews", { text });
  $("news").hidden = false;
});

// Wiring

$("start-form").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
$("code-form").addEventListener("submit", (event) => {
  event.preventDefault();
  check();
});
$("widget").addEventListener("change", () => {
  drawCascade();
  remember({ widgetId: $("widget").value });
  say($("start-alert"), "");
});
$("recipient").addEventListener("input", () => recipientError(""));
$("example").addEventListener("click", () => {
  $("recipient").value = config.exampleNumber;
  recipientError("");
  $("send").focus();
});
$("resend").addEventListener("click", () => resend($("resend"), {}));
$("another-way").addEventListener("click", () => resend($("another-way"), { next: true }));
$("cancel").addEventListener("click", wrongNumber);
$("complete-again").addEventListener("click", askBackEnd);
$("another").addEventListener("click", startOver);
$("start-again").addEventListener("click", startOver);
$("news-show").addEventListener("click", () => {
  phone.scrollIntoView({ block: "center" });
  phone.querySelector(".ph-scroll")?.focus({ preventScroll: true });
});
// A digit typed while the new step's heading has the focus is meant for the field below it.
$("code-heading").addEventListener("keydown", (event) => {
  if (/^\d$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey && !$("code-form").hidden) $("code").focus();
});
// A tab that was asleep asks at once instead of waiting for a poll that may be dead.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && run && step === "code") readAgain(run);
});

translate();
showRequests({ rows: $("hood-rows"), scroll: $("hood-scroll"), empty: $("hood-empty"), count: $("hood-count") });
start();
