/** The calls of a page to the service, and the patience that they need. */

import { type Channel, type Failure, NO_CONNECTION } from "./api";

/** Time and chance, so that tests can bring their own. */
export interface Timing {
  now(): number;
  /** From 0 to 1. */
  random(): number;
  /** Ends early when `signal` aborts; never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

type Body = Record<string, unknown>;

/** What came of a call: `body` when it succeeded, else `failure`. */
export interface Answer {
  body?: Body;
  failure: Failure;
  /** The version of the view, where the answer shows one. */
  version: number | null;
}

interface CallOptions {
  body?: Body | undefined;
  method?: "POST";
  /** Makes a call that is repeated count once. */
  key?: string;
  timeoutMs?: number;
  /** The call goes on when the page is left. */
  keepalive?: boolean;
}

/** How a session's channel fares. */
export interface Follower {
  channel(channel: Channel, version: number | null): void;
  /** The session's error; after any but `ResendChannelException` nothing more comes. */
  refused(failure: Failure, version: number | null): void;
  /** Whether the service answers; told again and again. */
  link(up: boolean): void;
}

export interface Following {
  /** Read the channel now, whatever is being waited for. */
  look(): void;
  stop(): void;
}

export interface Transport {
  /** One call, `path` from the service's address; `null` when `signal` ended it. Never rejects. */
  call(path: string, signal?: AbortSignal, options?: CallOptions): Promise<Answer | null>;
  /**
   * A `POST` under an idempotency key, repeated a few times while there is no service. `signal` ends
   * the repeating, and cuts no call: what it has begun has to be known.
   */
  insist(path: string, signal: AbortSignal, body?: Body): Promise<Answer>;
  follow(requestId: string, follower: Follower): Following;
}

const ANSWER_WITHIN_MS = 15_000;
/** Longer than the service holds a call; one that is cut does no harm, the next read tells. */
const HELD_AT_MOST_MS = 60_000;
const INSIST_WITHIN_MS = 8_000;
const TRIES = 3;
const QUICK_MS = 1_000;
const LONGEST_BACK_OFF_MS = 10_000;
const LONGEST_PAUSE_MS = 30_000;

export const realTiming: Timing = {
  now: () => Date.now(),
  random: Math.random,
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, signal.aborted ? 0 : ms);
      signal.addEventListener("abort", done);
    }),
};

/** No answer of the service: its refusals have a status. */
const LOST: Failure = { type: NO_CONNECTION, httpStatus: 0 };

/** Whether the same call may well succeed a little later. */
const isPassing = ({ httpStatus }: Failure): boolean =>
  httpStatus < 400 || httpStatus === 429 || httpStatus >= 500;

const numberIn = (text: string | null): number | null => {
  const digits = /\d+/.exec(text ?? "");
  return digits && Number(digits[0]);
};

/** A refusal in the service's form; anything else, such as a proxy's page, is no answer of it. */
function failureOf(body: Body, { status: httpStatus, headers }: Response): Failure {
  if (typeof body.type !== "string") return LOST;
  const { type, message, payload } = body;
  const retryAfter = numberIn(headers.get("Retry-After"));
  return {
    ...(retryAfter && { retryAfter }),
    ...(payload as object),
    type,
    message,
    httpStatus,
  } as Failure;
}

/** A channel from an answer; `null` when it is none. Other implementations leave fields out. */
function channelOf(body: Body): Channel | null {
  const { type, status, payload, settings } = body as Partial<Channel>;
  if (!type || !/^(wait|sent|confirmed)$/.test(status ?? "")) return null;
  const channel = { label: type, codeType: "code", remainingCodeAttempts: 0, ...body };
  return { ...channel, payload: { ...payload }, settings: { ...settings } } as Channel;
}

export function createTransport(options: {
  apiUrl: string;
  locale(): string;
  fetch: typeof globalThis.fetch;
  timing: Timing;
}): Transport {
  const { fetch, timing, locale } = options;
  const base = new URL(options.apiUrl.replace(/\/*$/, "/"), globalThis.document?.baseURI);

  const backOff = (n: number) =>
    Math.min(LONGEST_BACK_OFF_MS, 250 * 2 ** n) * (0.5 + timing.random() / 2);

  async function ask(path: string, signal: AbortSignal, wish: CallOptions): Promise<Answer> {
    const { body, key, keepalive = false, method = "GET" } = wish;
    const response = await fetch(new URL(path, base).href, {
      method,
      signal,
      keepalive,
      cache: "no-store",
      headers: {
        ...(body && { "Content-Type": "application/json" }),
        "Accept-Language": locale(),
        ...(key && { "Idempotency-Key": key }),
      },
      body: body ? JSON.stringify(body) : null,
    });
    const version = numberIn(response.headers.get("ETag"));
    const answer: Body = { ...(await response.json()) };
    if (response.ok) return { body: answer, failure: LOST, version };
    return { failure: failureOf(answer, response), version };
  }

  async function call(path: string, signal?: AbortSignal, wish: CallOptions = {}) {
    const limit = new AbortController();
    const abort = () => limit.abort();
    if (signal?.aborted) return null;
    signal?.addEventListener("abort", abort, limit);
    void timing.sleep(wish.timeoutMs ?? ANSWER_WITHIN_MS, limit.signal).then(abort);
    try {
      return await ask(path, limit.signal, wish);
    } catch {
      return signal?.aborted ? null : { failure: LOST, version: null };
    } finally {
      abort();
    }
  }

  async function insist(path: string, signal: AbortSignal, body?: Body) {
    const until = timing.now() + INSIST_WITHIN_MS;
    const key = crypto.getRandomValues(new Uint32Array(4)).join("-");
    for (let n = 1; ; n++) {
      const answer = (await call(path, undefined, { method: "POST", key, body })) as Answer;
      if (answer.body || n === TRIES || timing.now() > until) return answer;
      const { httpStatus } = answer.failure;
      if (httpStatus && httpStatus !== 503) return answer;
      await timing.sleep(backOff(n), signal);
      if (signal.aborted) return answer;
    }
  }

  function follow(requestId: string, follower: Follower): Following {
    let stopped = false;
    let turn = new AbortController();
    let since: number | null = null;
    /** A plain read, at the start and after trouble: it answers at once. */
    let plain = true;
    /** Plain reads in a row that failed, and answers in a row that came at once without news. */
    let misses = 0;
    let quick = 0;

    function ask() {
      const path = `${requestId}/channel`;
      if (plain) return call(path, turn.signal);
      const query = since === null ? "" : `?since=${since}`;
      return call(`longPolling/${path}${query}`, turn.signal, { timeoutMs: HELD_AT_MOST_MS });
    }

    /** Many a proxy cuts a held call: only a plain read tells whether the service is there. */
    function missed(failure: Failure) {
      if (plain) misses++;
      plain = true;
      if (misses > 1 && failure.httpStatus !== 429) follower.link(false);
    }

    /** Hands an answer on; true when there is nothing more to come. */
    function heard(channel: Channel | null, { failure, version }: Answer): boolean {
      misses = 0;
      plain = false;
      follower.link(true);
      if (channel) {
        follower.channel(channel, version);
        return channel.status === "confirmed";
      }
      if (/^LongPolling/.test(failure.type)) return false;
      follower.refused(failure, version);
      return failure.type !== "ResendChannelException";
    }

    async function round(): Promise<boolean> {
      turn = new AbortController();
      const began = timing.now();
      const answer = await ask();
      if (stopped) return true;
      if (!answer) {
        // Somebody wants to know now.
        plain = true;
        quick = 0;
        return false;
      }
      const { failure, version } = answer;
      const news = version !== null && version !== since;
      const channel = answer.body ? channelOf(answer.body) : null;
      const wasPlain = plain;
      since = version ?? since;
      if (!channel && isPassing(failure)) missed(failure);
      else {
        if (heard(channel, answer) || stopped) return true;
        if (wasPlain) return false;
      }
      // A service that answers at once without news must not be hammered.
      quick = news || timing.now() - began >= QUICK_MS ? 0 : quick + 1;
      const told = (channel ? 0 : (failure.retryAfter ?? 0)) * 1000;
      const pause = Math.min(LONGEST_PAUSE_MS, Math.max(told, quick > 1 ? backOff(quick) : 0));
      if (pause) await timing.sleep(pause, turn.signal);
      return stopped;
    }

    async function run() {
      while (!(await round()));
    }

    void run();
    const look = () => turn.abort();
    return {
      look,
      stop() {
        stopped = true;
        look();
      },
    };
  }

  return { call, insist, follow };
}
