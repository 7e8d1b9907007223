/** A service to be told what to answer, time that stands still, and a tab's storage. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Channel } from "../src/api";
import type { Timing } from "../src/transport";

/** What a test may tell the service to do with a call. */
export type Reply =
  | { status?: number; json?: unknown; text?: string; etag?: string; retryAfter?: number }
  /** The connection is closed without an answer; the call is held until `release`. */
  | "cut"
  | "hold";

export interface Heard {
  method: string;
  /** `GET /r1/channel`, without the prefix and the query. */
  call: string;
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  body: unknown;
  /** The caller has closed its side before an answer. */
  left: boolean;
}

const PREFIX = "/base/api";

/** A real HTTP server whose answers are queued per call; the last one of a queue stays. */
export class FakeService {
  readonly heard: Heard[] = [];
  readonly #queues = new Map<string, Reply[]>();
  readonly #held = new Map<string, ServerResponse[]>();
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}${PREFIX}`;
  }

  /** Listens, after a stop on the same port. */
  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** As a process that is killed: every connection is gone. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = null;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  on(call: string, ...replies: Reply[]): this {
    this.#queues.set(call, replies);
    return this;
  }

  calls(call: string): Heard[] {
    return this.heard.filter((heard) => heard.call === call);
  }

  isHeld(call: string): boolean {
    return (this.#held.get(call)?.length ?? 0) > 0;
  }

  /** Answers what is held of a call. */
  release(call: string, reply: Exclude<Reply, string>): void {
    for (const response of this.#held.get(call) ?? []) write(response, reply);
    this.#held.delete(call);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", "http://localhost");
    const call = `${request.method} ${url.pathname.replace(PREFIX, "")}`;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const heard: Heard = {
      method: request.method ?? "",
      call,
      query: url.searchParams,
      headers: request.headers,
      body: text && JSON.parse(text),
      left: false,
    };
    this.heard.push(heard);
    response.on("close", () => {
      heard.left = !response.writableFinished;
      const held = this.#held.get(call);
      if (held)
        this.#held.set(
          call,
          held.filter((other) => other !== response),
        );
    });
    const queue = this.#queues.get(call) ?? [refusal("NotFoundException", 404)];
    const reply = (queue.length > 1 ? queue.shift() : queue[0]) ?? "cut";
    if (reply === "cut") request.socket.destroy();
    else if (reply === "hold") this.#held.set(call, [...(this.#held.get(call) ?? []), response]);
    else write(response, reply);
  }
}

function write(response: ServerResponse, reply: Exclude<Reply, string>): void {
  const { status = 200, json, text, etag, retryAfter } = reply;
  response.statusCode = status;
  if (etag) response.setHeader("ETag", etag);
  if (retryAfter) response.setHeader("Retry-After", retryAfter);
  response.setHeader("Content-Type", text === undefined ? "application/json" : "text/html");
  response.end(text ?? JSON.stringify(json));
}

/** A view of the channel as the service answers it. */
export const view = (channel: Channel, version: number): Reply => ({
  json: channel,
  etag: `"${version}"`,
});

/** A refusal in the service's form. */
export const refusal = (type: string, status = 400, more: object = {}): Exclude<Reply, string> => ({
  status,
  json: { type, message: `it is ${type}`, httpStatus: status },
  ...more,
});

/** Time that moves when a test says so. */
export class FakeTiming implements Timing {
  /** How long was asked for, in order; the deadlines of calls are not among the pauses. */
  readonly slept: number[] = [];
  #now = Date.parse("2026-03-01T09:00:00Z");
  #timers: { at: number; done: () => void }[] = [];

  now = (): number => this.#now;
  random = (): number => 1;

  sleep = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      this.slept.push(ms);
      const timer = { at: this.#now + ms, done: resolve };
      this.#timers.push(timer);
      signal.addEventListener("abort", () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
        resolve();
      });
    });

  /** The pauses between calls: anything shorter than a call's deadline. */
  get pauses(): number[] {
    return this.slept.filter((ms) => ms > 0 && ms < 15_000);
  }

  /** Whether somebody pauses now. */
  get pausing(): boolean {
    return this.#timers.some(({ at }) => at - this.#now < 15_000);
  }

  advance(ms: number): void {
    this.#now += ms;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { done } of due) done();
  }
}

export class FakeStorage implements Storage {
  readonly #items = new Map<string, string>();
  /** Refuses to keep anything, as a full or forbidden storage does. */
  full = false;
  get length(): number {
    return this.#items.size;
  }
  key = (n: number): string | null => [...this.#items.keys()][n] ?? null;
  getItem = (key: string): string | null => this.#items.get(key) ?? null;
  setItem = (key: string, value: string): void => {
    if (this.full) throw new Error("QuotaExceededError");
    this.#items.set(key, value);
  };
  removeItem = (key: string): void => void this.#items.delete(key);
  clear = (): void => this.#items.clear();
}

/** Waits, in real time, for something that happens elsewhere. */
export async function until(what: () => unknown, about = what.toString()): Promise<void> {
  const deadline = Date.now() + 4_000;
  while (!what()) {
    if (Date.now() > deadline) throw new Error(`it did not happen: ${about}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Long enough for what must not happen to happen. */
export const aWhile = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));
