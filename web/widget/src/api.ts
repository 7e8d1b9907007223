/** What travels between a page and the service, and the errors that the page itself adds. */

/** What a page may know of a widget. */
export interface WidgetInfo {
  name: string;
  isActive: boolean;
  isBlocked: boolean;
  /** Whether a send needs a captcha now; it can be asked for later all the same. */
  captchaIsRequired?: boolean;
  captchaProvider?: string;
  captchaSiteKey?: string;
  /** Google's: 3 is the one that nobody sees and that gives a score for an action. */
  captchaVersion?: number;
  captchaAction?: string;
  /** Where an altcha challenge is fetched, absolute or relative to the service. */
  captchaChallengeUrl?: string;
}

/** What a resend would do. */
export interface NextMove {
  action: "restart" | "channel";
  type: string;
  label: string;
}

/** What is needed to draw a channel; all of it may be missing from other implementations. */
export interface ChannelPayload {
  help?: string;
  /** A link that opens the app in which the person confirms. */
  url?: string;
  /** The same link as an SVG picture. */
  qr?: string;
  /** The shape of the number that calls, places of the code as `_`. */
  callerIdMask?: string;
  /** The number that the person calls. */
  phone?: string;
  /** Instants in ISO 8601: the server's clock, the end of this channel, the earliest resend. */
  now?: string;
  expiresAt?: string;
  resendAt?: string | null;
  next?: NextMove | null;
  /** What a resend that skips the restarts would do; not every implementation tells. */
  another?: NextMove | null;
}

/** Durations in seconds; no `code` when the person has none to type. */
export interface ChannelSettings {
  code?: { length: number; beautify?: boolean };
  lifetime?: number;
  numberOfTries?: number;
  numberOfRestart?: number;
  restartCooldown?: number;
}

export interface Channel {
  /** `sms`, `voice`, `flashcall`, ...: new types may appear. */
  type: string;
  status: "wait" | "sent" | "confirmed";
  label: string;
  codeType: "code" | "codeless";
  payload: ChannelPayload;
  settings: ChannelSettings;
  remainingCodeAttempts: number;
}

/** A refusal of the service, or why there was no answer: see {@link NO_CONNECTION}. */
export interface Failure {
  type: string;
  httpStatus: number;
  message?: string | undefined;
  /** Seconds after which another try makes sense. */
  retryAfter?: number | undefined;
  /** The fields that are not valid, and what was expected of them. */
  fields?: Record<string, string>;
}

/** No answer, or one that is not the service's. */
export const NO_CONNECTION = "NoConnectionException";
