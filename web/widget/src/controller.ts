/** The machine at work: performs its effects, remembers the session, and tells a face and the page. */

import type { WidgetInfo } from "./api";
import { reduce } from "./machine";
import {
  type Effect,
  type Event,
  INITIAL,
  type KaskadEvent,
  type Memory,
  type Saved,
  type State,
} from "./state";
import { createTransport, type Following, realTiming, type Timing } from "./transport";

export type { Channel, NextMove, WidgetInfo } from "./api";
export type { Busy, KaskadEvent, Problem, State, Step } from "./state";

/** What happens around the page. */
export interface Surroundings {
  /**
   * `wake`: the network is back or the tab is seen again; `lost`: there is no network; `back`: the
   * page is back as it was left.
   */
  watch(wake: () => void, lost: () => void, back: () => void): () => void;
}

export interface ControllerOptions {
  widgetId: string;
  /** The name that the session is remembered by; each form on a page has its own. */
  key?: string;
  /** Where the page's endpoints are, absolute or from the page. */
  apiUrl: string;
  /** What language the person reads by now. */
  locale(): string;
  /** For the scripts of captchas, under a content security policy. */
  nonce?: string;
  /** What survives a reload; `null`: nothing. Default: the tab's session storage. */
  storage?: Storage | null;
  fetch?: typeof fetch;
  captchaHost?: HTMLElement;
  timing?: Timing;
  surroundings?: Surroundings;
  onChange(state: State): void;
  /** What the page may hear of, after the state that it speaks of was given to `onChange`. */
  onEvent(name: KaskadEvent, detail: object): void;
}

export interface Controller {
  readonly state: State;
  /** The form is on the page: load the widget, or go on where it was left. */
  start(): void;
  /** The form has left the page: nothing is under way any more, but for a send. */
  stop(): void;
  send(phone: string): void;
  submitCode(code: string): void;
  resend(): void;
  anotherWay(): void;
  /** "Wrong number": gives the session up. */
  changeNumber(): void;
  /** The way on when the form is `over`, `ended` or `unavailable`. */
  retry(): void;
  /** The service's clock, in ms. */
  now(): number;
}

const browser: Surroundings = {
  watch(wake, lost, back) {
    const seen = () => {
      if (document.visibilityState !== "visible") return;
      wake();
      if (!navigator.onLine) lost();
    };
    const until = new AbortController();
    addEventListener("online", wake, until);
    addEventListener("offline", lost, until);
    addEventListener("pageshow", ({ persisted }) => persisted && back(), until);
    document.addEventListener("visibilitychange", seen, until);
    return () => until.abort();
  },
};

type Performers = {
  [T in Effect["type"]]: (effect: Omit<Extract<Effect, { type: T }>, "type">) => unknown;
};

export function createController(options: ControllerOptions): Controller {
  const { widgetId, locale, key = widgetId, timing = realTiming, surroundings = browser } = options;
  // To name the tab's storage is an error where the browser forbids it.
  const storage = () => (options.storage === undefined ? sessionStorage : options.storage);
  const item = `kaskad-otp:${key}`;
  const transport = createTransport({
    apiUrl: options.apiUrl,
    locale,
    fetch: options.fetch ?? fetch,
    timing,
  });

  let state: Memory = INITIAL;
  let following: Following | null = null;
  let underWay = new AbortController();
  let unwatch: (() => void) | null = null;
  /** Only the newest answer about the widget counts. */
  let loads = 0;
  const events: Event[] = [];
  let busy = false;

  function dispatch(event: Event): void {
    events.push(event);
    if (busy) return;
    busy = true;
    try {
      for (let next = events.shift(); next; next = events.shift()) step(next);
    } finally {
      busy = false;
    }
  }

  function step(event: Event): void {
    const [next, effects] = reduce(state, event);
    const changed = next !== state;
    state = next;
    if (changed) options.onChange(state);
    for (const effect of effects) (perform[effect.type] as (effect: Effect) => unknown)(effect);
  }

  const perform: Performers = {
    async load() {
      const path = `widget/${encodeURIComponent(widgetId)}`;
      const mine = ++loads;
      const answer = await transport.call(path, underWay.signal);
      if (!answer || mine !== loads) return;
      const { body, failure } = answer;
      if (body?.name === undefined) return dispatch({ type: "widgetFailed", failure });
      dispatch({ type: "widget", widget: { isActive: true, ...body } as unknown as WidgetInfo });
    },
    async captcha({ run, widget }) {
      const { signal } = underWay;
      const { captchaHost: host, nonce } = options;
      try {
        const { solveCaptcha } = await import("./captcha");
        const around = { host, nonce, locale: locale(), timing, call: transport.call };
        const token = await solveCaptcha(widget, around, signal);
        dispatch({ type: "solved", run, token });
      } catch {
        if (!signal.aborted) dispatch({ type: "unsolved", run });
      }
    },
    async send({ run, phone, token }) {
      const answer = await transport.insist("", underWay.signal, {
        widgetId,
        recipient: phone,
        ...(token && { captchaToken: token }),
        locale: locale(),
      });
      const { requestId, recipient = phone } = answer.body ?? {};
      if (requestId) {
        dispatch({ type: "sent", run, requestId: `${requestId}`, recipient: `${recipient}` });
      } else dispatch({ type: "sendFailed", run, failure: answer.failure });
    },
    follow({ requestId }) {
      perform.unfollow({});
      // A form that is not on the page follows nothing: it begins once it is there again.
      if (!unwatch) return;
      following = transport.follow(requestId, {
        channel: (channel, version) =>
          dispatch({ type: "channel", requestId, channel, version, now: timing.now() }),
        refused: (failure, version) =>
          dispatch({ type: "refused", requestId, failure, version, now: timing.now() }),
        link: (up) => dispatch({ type: "link", up }),
      });
    },
    look() {
      following?.look();
    },
    unfollow() {
      following?.stop();
      following = null;
    },
    async check({ requestId, code }) {
      const wish = { method: "POST", body: { code } } as const;
      const answer = await transport.call(`${requestId}/checkCode`, underWay.signal, wish);
      if (!answer) return;
      if (answer.body?.success) dispatch({ type: "checked", requestId });
      else dispatch({ type: "checkFailed", requestId, failure: answer.failure });
    },
    async resend({ requestId, next }) {
      const body = next ? { next } : undefined;
      const answer = await transport.insist(`${requestId}/resend`, underWay.signal, body);
      const { failure } = answer;
      if (answer.body?.success) dispatch({ type: "resent", requestId });
      else dispatch({ type: "resendFailed", requestId, failure, now: timing.now() });
    },
    cancel({ requestId }) {
      // Nobody waits for it, and it outlives the form.
      const wish = { method: "POST", keepalive: true } as const;
      void transport.call(`${requestId}/cancel`, undefined, wish);
    },
    abort() {
      perform.unfollow({});
      underWay.abort();
      underWay = new AbortController();
    },
    save({ saved }) {
      try {
        if (saved) storage()?.setItem(item, JSON.stringify({ widgetId, ...saved }));
        else storage()?.removeItem(item);
      } catch {
        // A full or forbidden storage: then a reload starts anew.
      }
    },
    emit({ name, detail }) {
      options.onEvent(name, detail);
    },
  };

  function recall(): Saved | null {
    try {
      const { widgetId: of, ...saved } = JSON.parse(storage()?.getItem(item) ?? "");
      return of === widgetId && saved.requestId ? saved : null;
    } catch {
      return null;
    }
  }

  const wake = () => {
    following?.look();
    dispatch({ type: "wake" });
  };

  const begin = () => dispatch({ type: "start", saved: recall() });

  return {
    get state() {
      return state;
    },
    start() {
      unwatch ??= surroundings.watch(wake, () => dispatch({ type: "link", up: false }), begin);
      begin();
    },
    stop() {
      unwatch?.();
      unwatch = null;
      dispatch({ type: "stop" });
    },
    send: (phone) => dispatch({ type: "send", phone }),
    submitCode: (code) => dispatch({ type: "submit", code }),
    resend: () => dispatch({ type: "resend", next: false }),
    anotherWay: () => dispatch({ type: "resend", next: true }),
    changeNumber: () => dispatch({ type: "changeNumber" }),
    retry: () => dispatch({ type: "retry" }),
    now: () => timing.now() + state.skewMs,
  };
}
