/**
 * Every step that the form can take.
 *
 * `reduce` is pure: no DOM, no clock, no network. What has to be done about a step is returned as
 * effects, which the controller performs; their outcomes come back as events. An outcome names what
 * it belongs to (`run` of a send, `requestId` of a session), so one that comes too late is known.
 */

import { type Channel, type ChannelPayload, type Failure, NO_CONNECTION } from "./api";
import {
  type Busy,
  type Effect,
  type Event,
  INITIAL,
  isOver,
  type KaskadEvent,
  type Memory,
  type Problem,
  type Saved,
  type Step,
} from "./state";

/** The state to come: handlers write into a copy, which nobody else has seen, and what to do. */
type Draft = { -readonly [K in keyof Memory]: Memory[K] } & { effects: Effect[] };

const USUAL_LENGTH = 6;
const LIVE: readonly Step[] = ["waiting", "code", "codeless", "ended"];
const CAPTCHA = "CaptchaNotConfirmedException";
const BLOCKED = "WidgetIsBlockedException";
const INVALID_CODE = "InvalidCodeException";
const RESEND = "ResendChannelException";
const NO_CHANNELS = "NoAvailableChannelsException";
const VALIDATE = "ValidateError";

/** The form cannot be used, by this page or at all. */
const isShut = (type: string) => /^(Widget|Unauthorized|Forbidden)/.test(type);
/** The session cannot be confirmed any more, or not by this page. */
const isFatal = (type: string) =>
  isShut(type) || /^(AttemptsExpired|Session(Closed|NotFound)|PhoneNumber)/.test(type);

function act(m: Draft, effect: Effect): void {
  m.effects.push(effect);
}

// --- what the page hears ---------------------------------------------------------------

function tell(m: Draft, name: KaskadEvent, detail: object): void {
  act(m, { type: "emit", name, detail: { requestId: m.requestId, ...detail } });
}

function setProblem(m: Draft, failure: Problem, field?: Problem["field"]): Problem {
  const { type, message, retryAfter } = failure;
  m.problem = { type, message, retryAfter, field };
  return m.problem;
}

/** A problem that changes nothing else. */
function trouble(m: Draft, failure: Problem, field?: Problem["field"]): void {
  tell(m, "otp-error", setProblem(m, failure, field));
}

function codeTrouble(m: Draft, failure: Problem): void {
  const { type } = setProblem(m, failure, "code");
  tell(m, "otp-code-error", { type, attemptsLeft: m.channel?.remainingCodeAttempts ?? null });
}

// --- where steps lead ------------------------------------------------------------------

/** Nothing is under way any more. */
function idle(m: Draft): void {
  m.busy = m.wrong = m.held = m.asked = null;
  m.captcha = false;
}

/** No session any more; what was typed and what is known of the widget stays. */
function clear(m: Draft): void {
  const { widget, typedPhone, skewMs, run } = m;
  Object.assign(m, INITIAL, { widget, typedPhone, skewMs, run: run + 1 });
}

function forget(m: Draft): void {
  act(m, { type: "save", saved: null });
}

function save(m: Draft): void {
  const { requestId, recipient, lengths } = m;
  act(m, { type: "save", saved: { requestId, recipient, lengths } as Saved });
}

function toPhone(m: Draft): void {
  forget(m);
  clear(m);
  if (m.widget) m.step = "phone";
  else act(m, { type: "load" });
}

/** The session is followed no more. */
function settle(m: Draft, step: Step): void {
  idle(m);
  m.step = step;
  m.problem = null;
  m.offline = m.resumed = false;
  act(m, { type: "unfollow" });
}

function toVerified(m: Draft): void {
  const { step } = m;
  settle(m, "verified");
  if (step !== "verified") tell(m, "otp-verified", { recipient: m.recipient, status: "success" });
}

function toOver(m: Draft, failure: Failure): void {
  const stale = m.resumed;
  settle(m, "over");
  // What a reload brought back was over before: nobody has to hear of it.
  if (stale) return toPhone(m);
  forget(m);
  const problem = setProblem(m, failure);
  tell(m, /^Session/.test(problem.type) ? "otp-expired" : "otp-error", problem);
}

function toEnded(m: Draft, failure: Failure): void {
  m.wrong = null;
  m.resumed = false;
  if (m.step === "ended") return;
  m.step = "ended";
  tell(m, "otp-expired", setProblem(m, failure));
}

function toUnavailable(m: Draft, failure: Problem): void {
  idle(m);
  m.step = "unavailable";
  // The next look may find another state of it.
  m.widget = null;
  trouble(m, failure);
}

function load(m: Draft): void {
  m.step = "loading";
  m.problem = null;
  act(m, { type: "load" });
}

// --- the send --------------------------------------------------------------------------

function askCaptcha(m: Draft): void {
  const { widget, run } = m;
  m.captcha = Boolean(widget?.captchaProvider);
  if (widget && m.captcha) act(m, { type: "captcha", run, widget });
  else captchaFailed(m);
}

function captchaFailed(m: Draft): void {
  idle(m);
  trouble(m, { type: CAPTCHA }, "captcha");
}

function sendFailed(m: Draft, failure: Failure): void {
  const { type, fields } = failure;
  if (type === CAPTCHA && !m.proven) {
    // None was needed when the widget was read, and one is now: read again which.
    m.proven = m.captcha = true;
    return act(m, { type: "load" });
  }
  if (isShut(type)) return toUnavailable(m, failure);
  idle(m);
  const captcha = type === CAPTCHA || fields?.captchaToken;
  const recipient = type === VALIDATE || type === NO_CHANNELS;
  trouble(m, failure, captcha ? "captcha" : recipient ? "recipient" : undefined);
}

// --- the channel -----------------------------------------------------------------------

const isLive = ({ step }: Memory) => LIVE.includes(step);
const isFollowed = (m: Memory) => m.resumed || isLive(m);

/** The service takes what earlier messages brought, too: their codes may be of other lengths. */
function learnLength(m: Draft, { codeType, settings }: Channel): void {
  const length = settings.code?.length ?? USUAL_LENGTH;
  if (codeType !== "code" || length === m.lengths[0]) return;
  m.lengths = [length, ...m.lengths.filter((each) => each !== length)];
  save(m);
}

/** What is known of the channel without having been read. */
function amend(m: Draft, known: ChannelPayload): void {
  const { channel } = m;
  if (channel) m.channel = { ...channel, payload: { ...channel.payload, ...known } };
}

/** Whether two views show one message, be it that it has left since: a new launch has another end. */
const isSameLaunch = (a: Channel, b: Channel): boolean =>
  a.status === "wait" || (a.status === b.status && a.payload.expiresAt === b.payload.expiresAt);

// --- the code --------------------------------------------------------------------------

function submit(m: Draft, typed: string): void {
  const { requestId, version, busy, asked } = m;
  if (!requestId || !isLive(m)) return;
  const code = typed.replace(/\s/g, "");
  if (busy) {
    // The one that is being checked is not asked about twice.
    m.held = code === asked?.code ? null : code;
    return;
  }
  if (!m.lengths.includes(code.length)) return codeTrouble(m, { type: VALIDATE });
  // To ask again would cost an attempt and could not end otherwise.
  if (code === m.wrong) return codeTrouble(m, { type: INVALID_CODE });
  m.busy = "checking";
  m.asked = { code, version };
  m.problem = null;
  act(m, { type: "check", requestId, code });
}

// --- the resend ------------------------------------------------------------------------

function resend(m: Draft, next: boolean): void {
  const { requestId, version } = m;
  if (!requestId || !isLive(m) || m.busy) return;
  m.busy = "resending";
  m.asked = { next, version };
  m.problem = m.changedFrom = null;
  act(m, { type: "resend", requestId, next });
}

/** The resend is done with: a code that was typed meanwhile is checked now. */
function release(m: Draft): void {
  const { held } = m;
  m.busy = m.asked = m.held = null;
  if (held !== null) submit(m, held);
}

// --- every event -----------------------------------------------------------------------

type Handlers = {
  [T in Event["type"]]: (m: Draft, event: Extract<Event, { type: T }>) => void;
};

const ON: Handlers = {
  start(m, { saved }) {
    const { step, requestId } = m;
    const proven = step === "verified";
    if (proven || isLive(m)) {
      // What was proven may have been collected since, or be past its time.
      m.resumed = proven;
      return act(m, { type: "follow", requestId: requestId as string });
    }
    if (step !== "loading" && step !== "unavailable") return;
    clear(m);
    load(m);
    if (!saved) return;
    Object.assign(m, saved, { typedPhone: saved.recipient, resumed: true });
    act(m, { type: "follow", requestId: saved.requestId });
  },
  stop(m) {
    // What has been sent goes on without the form: its session must not be lost.
    if (m.busy !== "sending" || m.captcha) {
      idle(m);
      m.run++;
    }
    act(m, { type: "abort" });
  },
  wake(m) {
    if (m.step === "unavailable" && /^(NoConn|ServiceUn)/.test(m.problem?.type ?? "")) load(m);
    // With a session it is the follower who knows whether the service answers.
    if (!m.requestId) ON.link(m, { type: "link", up: true });
  },
  link(m, { up }) {
    if (up && m.offline && m.problem?.type === NO_CONNECTION) m.problem = null;
    if (m.step !== "verified" && m.step !== "over") m.offline = !up;
  },
  widget(m, { widget }) {
    const { name, isBlocked, isActive } = widget;
    const shut = isBlocked || !isActive;
    if (!m.widget && !shut) tell(m, "otp-ready", { name });
    m.widget = widget;
    if (m.requestId) return;
    if (m.busy) return askCaptcha(m);
    if (shut) return toUnavailable(m, { type: BLOCKED });
    m.step = "phone";
    m.problem = null;
    m.offline = false;
  },
  widgetFailed(m, { failure }) {
    if (m.busy === "sending") sendFailed(m, failure);
    else if (m.step === "loading" && !m.requestId) toUnavailable(m, failure);
  },
  send(m, { phone }) {
    if (m.step !== "phone" || m.busy) return;
    m.typedPhone = phone;
    m.problem = null;
    if (!phone.trim()) return trouble(m, { type: VALIDATE }, "recipient");
    m.busy = "sending";
    m.proven = false;
    m.run++;
    if (m.widget?.captchaIsRequired) askCaptcha(m);
    else act(m, { type: "send", run: m.run, phone });
  },
  solved(m, { run, token }) {
    m.captcha = false;
    m.proven = true;
    act(m, { type: "send", run, phone: m.typedPhone, token });
  },
  unsolved: captchaFailed,
  sent(m, { requestId, recipient }) {
    clear(m);
    m.step = "waiting";
    m.requestId = requestId;
    m.recipient = recipient;
    save(m);
    act(m, { type: "follow", requestId });
    tell(m, "otp-sent", { recipient });
  },
  sendFailed(m, { failure }) {
    sendFailed(m, failure);
  },
  channel(m, { channel, version, now }) {
    const { channel: before, step } = m;
    const { type, status, codeType, payload } = channel;
    if (!isFollowed(m)) return;
    m.skewMs = Date.parse(payload.now ?? "") - now || m.skewMs;
    m.version = version;
    m.channel = channel;
    m.resumed = false;
    if (status === "confirmed") return toVerified(m);
    learnLength(m, channel);
    m.step = status === "wait" ? "waiting" : codeType;
    const moved = before && (before.type !== type || before.codeType !== codeType);
    if (before && !moved && step !== "ended" && isSameLaunch(before, channel)) return;
    m.wrong = null;
    // What is told of the typing stands until it is corrected.
    if (moved || m.problem?.type !== VALIDATE) m.problem = null;
    // What is being checked was typed for another message.
    if (m.asked) m.asked = { ...m.asked, code: "" };
    if (!moved) return;
    m.changedFrom = before.type;
    tell(m, "otp-channel-change", { channel: type, codeType, previous: before.type });
  },
  refused(m, { failure, version, now }) {
    if (!isFollowed(m)) return;
    m.version = version;
    const { another } = m.channel?.payload ?? {};
    // Before its time a channel ends by a "no", and nobody is asked there again.
    if (another && !isOver(m, now + m.skewMs)) amend(m, { next: another });
    (failure.type === RESEND ? toEnded : toOver)(m, failure);
  },
  submit(m, { code }) {
    submit(m, code);
  },
  checked: toVerified,
  checkFailed(m, { failure }) {
    const { type } = failure;
    const { asked, channel, held } = m;
    m.busy = m.asked = m.held = null;
    if (type === RESEND) return toEnded(m, failure);
    if (type === NO_CHANNELS || isFatal(type)) return toOver(m, failure);
    // An answer may be lost and the code right all the same: the channel tells.
    act(m, { type: "look" });
    if (type === INVALID_CODE && asked?.code && channel) {
      m.wrong = asked.code;
      // The attempts that are left, unless the channel has told already.
      const left = Math.max(1, channel.remainingCodeAttempts - 1);
      if (asked.version === m.version) m.channel = { ...channel, remainingCodeAttempts: left };
    }
    codeTrouble(m, failure);
    if (type === INVALID_CODE && held !== null) submit(m, held);
  },
  resend(m, { next }) {
    resend(m, next);
  },
  resent(m) {
    // Unless the new view came before this answer, the message is on its way from here on.
    if (m.version === m.asked?.version) m.step = "waiting";
    m.wrong = m.problem = null;
    act(m, { type: "look" });
    tell(m, "otp-resend", { next: m.asked?.next });
    release(m);
  },
  resendFailed(m, { failure, now }) {
    const { type, retryAfter } = failure;
    const gone = type === NO_CHANNELS && m.step === "ended" && !m.asked?.next;
    if (gone || isFatal(type)) return toOver(m, failure);
    act(m, { type: "look" });
    if (retryAfter) {
      amend(m, { resendAt: new Date(now + m.skewMs + retryAfter * 1000).toISOString() });
    }
    // After the confirmation there is nothing to say: the channel tells it.
    if (type === RESEND) toEnded(m, failure);
    else if (!/^SessionAlready/.test(type)) trouble(m, failure);
    release(m);
  },
  changeNumber(m) {
    const { step, requestId, busy } = m;
    if (!requestId && !busy) return;
    act(m, { type: "abort" });
    if (requestId && step !== "verified" && step !== "over") act(m, { type: "cancel", requestId });
    toPhone(m);
  },
  retry(m) {
    const { step } = m;
    if (step === "unavailable") load(m);
    else if (step === "over") toPhone(m);
    else if (step === "ended") resend(m, false);
    else if (m.requestId && step !== "verified") act(m, { type: "look" });
  },
};

/** What must be under way for an outcome to be one. */
const OUTCOMES: { [T in Event["type"]]?: Busy } = {
  solved: "sending",
  unsolved: "sending",
  sent: "sending",
  sendFailed: "sending",
  checked: "checking",
  checkFailed: "checking",
  resent: "resending",
  resendFailed: "resending",
};

function isLate(state: Memory, event: Event): boolean {
  const busy = OUTCOMES[event.type];
  if (busy && busy !== state.busy) return true;
  if ("run" in event) return event.run !== state.run;
  return "requestId" in event && event.requestId !== state.requestId;
}

/** One step: the state after an event, and what has to be done about it, in this order. */
export function reduce(state: Memory, event: Event): [Memory, Effect[]] {
  const draft: Draft = { ...state, effects: [] };
  if (!isLate(state, event)) (ON[event.type] as Handlers["stop"])(draft, event as never);
  else if (event.type === "sent" && event.requestId !== state.requestId) {
    // The person has turned away from a number before the service knew of it.
    act(draft, { type: "cancel", requestId: event.requestId });
  }
  const { effects, ...next } = draft;
  const keys = Object.keys(next) as (keyof Memory)[];
  return [keys.some((key) => next[key] !== state[key]) ? next : state, effects];
}
