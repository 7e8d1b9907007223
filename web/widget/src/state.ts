/** What the form knows, what can happen to it, and what it wants done: all as plain values. */

import type { Channel, Failure, WidgetInfo } from "./api";

/**
 * Where the person is. `waiting`: the message is on its way; `ended`: a resend is needed;
 * `over`: a new verification is needed; `unavailable`: the widget is unknown or blocked, or there
 * is no service.
 */
export type Step =
  | "loading"
  | "phone"
  | "waiting"
  | "code"
  | "codeless"
  | "ended"
  | "verified"
  | "over"
  | "unavailable";

export type Busy = "sending" | "checking" | "resending";

/** What went wrong; `type` is an error type of the service or `NoConnectionException`. */
export interface Problem {
  type: string;
  /** Seconds after which another try makes sense. */
  retryAfter?: number | undefined;
  field?: "recipient" | "code" | "captcha" | undefined;
  /** The service's own words. */
  message?: string | undefined;
}

/** What a face draws. */
export interface State {
  readonly step: Step;
  readonly busy: Busy | null;
  /** A captcha is fetched or solved before the send: what it shows is in the captcha's host. */
  readonly captcha: boolean;
  readonly widget: WidgetInfo | null;
  readonly typedPhone: string;
  /** The number in E.164. */
  readonly recipient: string | null;
  readonly requestId: string | null;
  /** The current channel, or the last one when the step is `ended` or `over`. */
  readonly channel: Channel | null;
  /** The version of the view that `channel` shows. */
  readonly version: number | null;
  /** The type of the channel before, once the service has moved on by itself or by "another way". */
  readonly changedFrom: string | null;
  readonly problem: Problem | null;
  readonly offline: boolean;
  /** The server's clock minus ours. */
  readonly skewMs: number;
  /** How many digits a code may have: the current channel's, then those of the ones before. */
  readonly lengths: readonly number[];
}

/** The state with what only the machine needs to know. Codes are here and nowhere else. */
export interface Memory extends State {
  /** Number of the current send: what belongs to an earlier one is late. */
  readonly run: number;
  /** The session comes from before a reload, and the service has not said yet that it lives. */
  readonly resumed: boolean;
  /** The current send carries a captcha's token. */
  readonly proven: boolean;
  /** The code that was refused last, while the same message is current. */
  readonly wrong: string | null;
  /** A code that was typed while a resend or another one's check was under way. */
  readonly held: string | null;
  /** The check or resend under way, and the view in which it was asked for. */
  readonly asked: { code?: string; next?: boolean; version: number | null } | null;
}

/** What survives a reload. Never a code. */
export interface Saved {
  widgetId?: string;
  requestId: string;
  recipient: string;
  lengths?: readonly number[];
}

export type KaskadEvent =
  | "otp-ready"
  | "otp-sent"
  | "otp-channel-change"
  | "otp-code-error"
  | "otp-verified"
  | "otp-expired"
  | "otp-error"
  | "otp-resend";

export type Event =
  | { type: "start"; saved: Saved | null }
  | { type: "stop" }
  | { type: "wake" }
  | { type: "link"; up: boolean }
  | { type: "widget"; widget: WidgetInfo }
  | { type: "widgetFailed"; failure: Failure }
  | { type: "send"; phone: string }
  | { type: "solved"; run: number; token: string }
  | { type: "unsolved"; run: number }
  | { type: "sent"; run: number; requestId: string; recipient: string }
  | { type: "sendFailed"; run: number; failure: Failure }
  | { type: "channel"; requestId: string; channel: Channel; version: number | null; now: number }
  | {
      type: "refused";
      requestId: string;
      failure: Failure;
      version: number | null;
      now: number;
    }
  | { type: "submit"; code: string }
  | { type: "checked"; requestId: string }
  | { type: "checkFailed"; requestId: string; failure: Failure }
  | { type: "resend"; next: boolean }
  | { type: "resent"; requestId: string }
  | { type: "resendFailed"; requestId: string; failure: Failure; now: number }
  | { type: "changeNumber" }
  | { type: "retry" };

export type Effect =
  | { type: "load" }
  | { type: "captcha"; run: number; widget: WidgetInfo }
  | { type: "send"; run: number; phone: string; token?: string }
  /** Follow the session's channel until told otherwise. */
  | { type: "follow"; requestId: string }
  /** Read the followed channel now. */
  | { type: "look" }
  | { type: "unfollow" }
  | { type: "check"; requestId: string; code: string }
  | { type: "resend"; requestId: string; next: boolean }
  | { type: "cancel"; requestId: string }
  /** Give up whatever is under way, but for cancels. */
  | { type: "abort" }
  /** Survive a reload with this session; with `null`, with none. */
  | { type: "save"; saved: Saved | null }
  | { type: "emit"; name: KaskadEvent; detail: object };

export const INITIAL: Memory = {
  step: "loading",
  busy: null,
  captcha: false,
  widget: null,
  typedPhone: "",
  recipient: null,
  requestId: null,
  channel: null,
  version: null,
  changedFrom: null,
  problem: null,
  offline: false,
  skewMs: 0,
  lengths: [],
  run: 0,
  resumed: false,
  proven: false,
  wrong: null,
  held: null,
  asked: null,
};

/** How many digits the current channel's code has. */
export const lengthOf = ({ lengths }: State): number => lengths[0] ?? 0;

/** So far off the service's clock may be: answers travel. */
const SLACK_MS = 2000;

/** Whether the channel's time is over, by the service's clock. */
export const isOver = ({ channel }: State, now: number): boolean =>
  Date.parse(channel?.payload.expiresAt ?? "") - now < SLACK_MS;
