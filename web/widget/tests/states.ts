/** Every kind of state, and every kind of event, that the machine's tests speak of. */

import { type Channel, type Failure, NO_CONNECTION, type WidgetInfo } from "../src/api";
import { type Effect, type Event, INITIAL, type Memory } from "../src/state";

export const WIDGET: WidgetInfo = {
  name: "Shop",
  isActive: true,
  isBlocked: false,
  captchaIsRequired: false,
  captchaProvider: "altcha",
};

export const NOW = Date.parse("2026-03-01T09:00:00Z");

export function channel(change: Partial<Channel> = {}): Channel {
  const payload = {
    now: "2026-03-01T09:00:05Z",
    expiresAt: "2026-03-01T09:05:00Z",
    resendAt: "2026-03-01T09:00:30Z",
    next: { action: "restart", type: "sms", label: "SMS" },
  } as const;
  return {
    type: "sms",
    status: "sent",
    label: "SMS",
    codeType: "code",
    payload,
    settings: { code: { length: 6 } },
    remainingCodeAttempts: 3,
    ...change,
  };
}

const refusal = (type: string, httpStatus = 400): Failure => ({ type, httpStatus });

export const FAILURES = {
  lost: refusal(NO_CONNECTION, 0),
  busy: { ...refusal("ServiceUnavailableException", 503), retryAfter: 2 },
  internal: refusal("InternalServerErrorException", 500),
  rate: { ...refusal("RateLimitException", 429), retryAfter: 40 },
  invalid: refusal("ValidateError"),
  noChannels: refusal("NoAvailableChannelsException"),
  ended: refusal("ResendChannelException"),
  spent: refusal("AttemptsExpiredException"),
  closed: refusal("SessionClosedException"),
  wrong: refusal("InvalidCodeException"),
  captcha: refusal("CaptchaNotConfirmedException"),
  unauthorized: refusal("UnauthorizedException", 401),
  forbidden: refusal("ForbiddenException", 403),
  blocked: refusal("WidgetIsBlockedException", 403),
  codeless: refusal("IsCodelessChannelException", 403),
  noWidget: refusal("WidgetNotFoundException", 404),
  noSession: refusal("SessionNotFoundException", 404),
  mismatch: refusal("PhoneNumberMismatchException", 409),
  cooldown: { ...refusal("RestartCooldownActiveException", 409), retryAfter: 12 },
  confirmed: refusal("SessionAlreadyConfirmedException", 409),
  unheard: refusal("SomethingNewException", 418),
} satisfies Record<string, Failure>;

const phone: Memory = { ...INITIAL, step: "phone", widget: WIDGET };
const session = { widget: WIDGET, requestId: "r1", recipient: "+79001234567", run: 1 };
const waiting: Memory = { ...INITIAL, ...session, step: "waiting" };
const code: Memory = { ...waiting, step: "code", channel: channel(), lengths: [6], version: 3 };
const checking = { busy: "checking", asked: { code: "111111", version: 3 } } as const;
const resending = { busy: "resending", asked: { next: false, version: 3 } } as const;
const push = channel({ type: "sim_push", codeType: "codeless", remainingCodeAttempts: 0 });
const codeless: Memory = { ...code, step: "codeless", channel: push };

export const STATES: Record<string, Memory> = {
  loading: INITIAL,
  "loading, resumed": { ...INITIAL, requestId: "r1", recipient: "+79001234567", resumed: true },
  phone,
  "phone, offline": { ...phone, offline: true },
  "phone, sending": { ...phone, busy: "sending", run: 1, typedPhone: "8900" },
  "phone, captcha": { ...phone, busy: "sending", run: 1, typedPhone: "8900", captcha: true },
  "phone, asking": {
    ...phone,
    busy: "sending",
    run: 1,
    typedPhone: "8900",
    captcha: true,
    proven: true,
  },
  "phone, proven": { ...phone, busy: "sending", run: 1, typedPhone: "8900", proven: true },
  "waiting, first": waiting,
  waiting: { ...waiting, channel: channel({ status: "wait" }), lengths: [6], version: 2 },
  code,
  "code, offline": { ...code, offline: true },
  "code, wrong": { ...code, wrong: "000000" },
  "code, checking": { ...code, ...checking },
  "code, resending": { ...code, ...resending },
  "code, held": { ...code, ...resending, held: "111111" },
  codeless,
  "codeless, resending": { ...codeless, ...resending, asked: { next: true, version: 3 } },
  ended: { ...code, step: "ended", version: 4, problem: { type: "ResendChannelException" } },
  "ended, resending": {
    ...code,
    ...resending,
    step: "ended",
    version: 4,
    asked: { next: false, version: 4 },
  },
  verified: { ...code, step: "verified" },
  "verified, again": { ...code, step: "verified", resumed: true },
  over: { ...code, step: "over" },
  unavailable: { ...INITIAL, step: "unavailable", problem: { type: NO_CONNECTION } },
  "unavailable, blocked": {
    ...INITIAL,
    step: "unavailable",
    problem: { type: "WidgetIsBlockedException" },
  },
};

/** The event of every failure that a call may bring. */
const failed = (make: (failure: Failure) => Event): Record<string, Event> =>
  Object.fromEntries(
    Object.entries(FAILURES).map(([name, failure]) => {
      const event = make(failure);
      return [`${event.type} ${name}`, event];
    }),
  );

const read = (name: string, view: Channel, version: number): Record<string, Event> => ({
  [`channel ${name}`]: { type: "channel", requestId: "r1", channel: view, version, now: NOW },
});

export const EVENTS: Record<string, Event> = {
  start: { type: "start", saved: null },
  "start, saved": { type: "start", saved: { requestId: "r1", recipient: "+79001234567" } },
  stop: { type: "stop" },
  wake: { type: "wake" },
  "link up": { type: "link", up: true },
  "link down": { type: "link", up: false },
  widget: { type: "widget", widget: WIDGET },
  "widget, blocked": { type: "widget", widget: { ...WIDGET, isBlocked: true } },
  "widget, inactive": { type: "widget", widget: { ...WIDGET, isActive: false } },
  ...failed((failure) => ({ type: "widgetFailed", failure })),
  send: { type: "send", phone: "8 900" },
  "send, blank": { type: "send", phone: " " },
  solved: { type: "solved", run: 1, token: "t" },
  unsolved: { type: "unsolved", run: 1 },
  sent: { type: "sent", run: 1, requestId: "r1", recipient: "+79001234567" },
  ...failed((failure) => ({ type: "sendFailed", run: 1, failure })),
  ...read("wait", channel({ status: "wait" }), 2),
  ...read("sent", channel(), 3),
  ...read("missed", channel({ remainingCodeAttempts: 2 }), 4),
  ...read("push", push, 5),
  ...read("voice", channel({ type: "voice" }), 5),
  ...read("confirmed", channel({ status: "confirmed" }), 6),
  ...failed((failure) => ({ type: "refused", requestId: "r1", failure, version: 4, now: NOW })),
  submit: { type: "submit", code: " 111 111 " },
  "submit, wrong": { type: "submit", code: "000000" },
  "submit, blank": { type: "submit", code: "  " },
  "submit, endless": { type: "submit", code: "1".repeat(65) },
  checked: { type: "checked", requestId: "r1" },
  ...failed((failure) => ({ type: "checkFailed", requestId: "r1", failure })),
  resend: { type: "resend", next: false },
  "another way": { type: "resend", next: true },
  resent: { type: "resent", requestId: "r1" },
  ...failed((failure) => ({ type: "resendFailed", requestId: "r1", failure, now: NOW })),
  changeNumber: { type: "changeNumber" },
  retry: { type: "retry" },
  "late solved": { type: "solved", run: 0, token: "t" },
  "late unsolved": { type: "unsolved", run: 0 },
  "late sent": { type: "sent", run: 0, requestId: "r0", recipient: "+7" },
  "late sendFailed": { type: "sendFailed", run: 0, failure: FAILURES.lost },
  "late channel": {
    type: "channel",
    requestId: "r0",
    channel: channel(),
    version: 9,
    now: NOW,
  },
  "late refused": {
    type: "refused",
    requestId: "r0",
    failure: FAILURES.closed,
    version: 9,
    now: NOW,
  },
  "late checked": { type: "checked", requestId: "r0" },
  "late checkFailed": { type: "checkFailed", requestId: "r0", failure: FAILURES.wrong },
  "late resent": { type: "resent", requestId: "r0" },
  "late resendFailed": {
    type: "resendFailed",
    requestId: "r0",
    failure: FAILURES.lost,
    now: NOW,
  },
};

const nameOf = (effect: Effect): string => {
  if (effect.type === "emit") return effect.name;
  return effect.type === "save" && !effect.saved ? "forget" : effect.type;
};

/** A step in a line: step and what is under way, the problem, and after `>` the effects. */
export function line(state: Memory, effects: readonly Effect[]): string {
  const busy = state.captcha ? "captcha" : state.busy;
  const problem = state.problem && `!${state.problem.type.replace("Exception", "")}`;
  const field = state.problem?.field && `(${state.problem.field})`;
  const offline = state.offline && "offline";
  const words = [state.step, busy, problem && `${problem}${field ?? ""}`, offline].filter(Boolean);
  return [words.join(" "), effects.map(nameOf).join(" ")].join(" > ").trim();
}
