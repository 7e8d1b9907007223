import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Channel, Failure } from "../src/api";
import { createTransport, type Following, realTiming, type Transport } from "../src/transport";
import { aWhile, FakeService, FakeTiming, refusal, until, view } from "./fakes";
import { channel } from "./states";

const PLAIN = "GET /r1/channel";
const HELD = "GET /longPolling/r1/channel";
const TIMEOUT = refusal("LongPollingTimeoutException", 408);

let service: FakeService;
let timing: FakeTiming;
let transport: Transport;
let signal: AbortSignal;
let following: Following | null;

beforeEach(async () => {
  service = new FakeService();
  timing = new FakeTiming();
  following = null;
  signal = new AbortController().signal;
  await service.start();
  transport = createTransport({ apiUrl: `${service.url}/`, locale: () => "ru", fetch, timing });
});

afterEach(async () => {
  following?.stop();
  await service.stop();
});

/** What the follower heard: views by version, refusals by type, and changes of the link. */
function follow(): (string | number | boolean)[] {
  const heard: (string | number | boolean)[] = [];
  let link = true;
  following = transport.follow("r1", {
    channel: (_: Channel, version) => heard.push(version ?? "no version"),
    refused: (failure: Failure) => heard.push(failure.type),
    link: (up) => {
      if (up !== link) heard.push(up);
      link = up;
    },
  });
  return heard;
}

describe("a call", () => {
  test("speaks the language of the page, and JSON", async () => {
    service.on("POST /r1/checkCode", { status: 201, json: { success: true } });
    const answer = await transport.call("r1/checkCode", signal, {
      method: "POST",
      body: { code: "123456" },
    });
    expect(answer?.body).toEqual({ success: true });
    const [heard] = service.heard;
    expect(heard?.body).toEqual({ code: "123456" });
    expect(heard?.headers).toMatchObject({
      "content-type": "application/json",
      "accept-language": "ru",
    });
  });

  test("finds what the service names relative to itself, by path, or whole", async () => {
    const address = new URL(service.url);
    service.on("GET /altcha/challenge", { json: { at: "below" } });
    service.on("GET /elsewhere", { json: { at: "root" } });
    expect((await transport.call("altcha/challenge", signal))?.body).toEqual({ at: "below" });
    expect((await transport.call("/elsewhere", signal))?.body).toEqual({ at: "root" });
    const whole = `${address.origin}/elsewhere`;
    expect((await transport.call(whole, signal))?.body).toEqual({ at: "root" });
  });

  test("hands a refusal on with what it says", async () => {
    const json = { type: "RateLimitException", message: "m", payload: { retryAfter: 7 } };
    service.on("GET /x", { status: 429, json, retryAfter: 9 });
    service.on("GET /y", refusal("ServiceUnavailableException", 503, { retryAfter: 3 }));
    expect((await transport.call("x", signal))?.failure).toEqual({
      type: "RateLimitException",
      message: "m",
      httpStatus: 429,
      retryAfter: 7,
    });
    expect((await transport.call("y", signal))?.failure.retryAfter).toBe(3);
  });

  test.each([
    ["a page of HTML", { text: "<html>welcome to the hotel</html>" }],
    ["an empty answer", { status: 204, text: "" }],
    ["an error page", { status: 502, text: "<html>Bad Gateway</html>" }],
    ["a foreign error", { status: 404, json: { error: "not found" } }],
    ["a cut connection", "cut" as const],
  ])("takes %s for no answer", async (_, reply) => {
    service.on("GET /x", reply);
    const answer = await transport.call("x", signal);
    expect(answer?.failure.type).toBe("NoConnectionException");
    expect(answer?.body).toBeUndefined();
  });

  test("is given up after a while", async () => {
    service.on("GET /x", "hold");
    const answer = transport.call("x", signal);
    await until(() => service.isHeld("GET /x"));
    timing.advance(14_999);
    await aWhile();
    expect(service.isHeld("GET /x")).toBe(true);
    timing.advance(1);
    expect((await answer)?.failure.type).toBe("NoConnectionException");
    await until(() => service.heard[0]?.left);
  });

  test("leaves nothing on the signal", async () => {
    service.on("GET /x", { json: {} }, "cut");
    await transport.call("x", signal);
    await transport.call("x", signal);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  test("is nothing once its signal has spoken", async () => {
    service.on("GET /x", "hold");
    const given = new AbortController();
    const answer = transport.call("x", given.signal);
    await until(() => service.isHeld("GET /x"));
    given.abort();
    expect(await answer).toBeNull();
    expect(await transport.call("x", given.signal)).toBeNull();
    expect(service.heard).toHaveLength(1);
  });
});

describe("real time", () => {
  test("sleeps as long as it is told, and leaves nothing on the signal", async () => {
    const given = new AbortController();
    const began = performance.now();
    await realTiming.sleep(40, given.signal);
    expect(performance.now() - began).toBeGreaterThan(35);
    expect(getEventListeners(given.signal, "abort")).toEqual([]);
  });

  test("is woken by the signal, or does not sleep at all", async () => {
    const given = new AbortController();
    const slept = realTiming.sleep(60_000, given.signal);
    given.abort();
    await slept;
    await realTiming.sleep(60_000, given.signal);
    expect(getEventListeners(given.signal, "abort")).toEqual([]);
    expect(realTiming.random()).toBeLessThan(1);
    expect(realTiming.now()).toBeGreaterThan(1.7e12);
  });
});

describe("a call that must get through", () => {
  test("is repeated under one key, and is another one the next time", async () => {
    service.on("POST /r1/resend", "cut", refusal("ServiceUnavailableException", 503), {
      json: { success: true },
    });
    const answer = transport.insist("r1/resend", signal, { next: true });
    await until(() => timing.pausing);
    timing.advance(1_000);
    await until(() => service.calls("POST /r1/resend").length === 2 && timing.pausing);
    timing.advance(1_000);
    expect((await answer)?.body).toEqual({ success: true });
    const keys = service.heard.map(({ headers }) => headers["idempotency-key"]);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).toMatch(/^[\x21-\x7e]{16,255}$/);
    await transport.insist("r1/resend", signal);
    expect(service.heard.at(-1)?.headers["idempotency-key"]).not.toBe(keys[0]);
  });

  test.each([
    ["InvalidCodeException", 400],
    ["RestartCooldownActiveException", 409],
    ["RateLimitException", 429],
    ["InternalServerErrorException", 500],
  ])("takes %s for an answer", async (type, status) => {
    service.on("POST /", refusal(type, status));
    expect((await transport.insist("", signal))?.failure.type).toBe(type);
    expect(service.heard).toHaveLength(1);
  });

  test("is given up after three tries, or when it took long", async () => {
    service.on("POST /", "cut");
    const thrice = transport.insist("", signal);
    for (const tries of [1, 2]) {
      await until(() => service.heard.length === tries && timing.pausing);
      timing.advance(1_000);
    }
    expect((await thrice)?.failure.type).toBe("NoConnectionException");
    expect(service.heard).toHaveLength(3);
    service.on("POST /", "hold");
    const slow = transport.insist("", signal);
    await until(() => service.isHeld("POST /"));
    timing.advance(15_000);
    expect((await slow)?.failure.type).toBe("NoConnectionException");
    expect(service.heard).toHaveLength(4);
  });

  test("is not repeated once nobody waits for it", async () => {
    service.on("POST /", "cut");
    const given = new AbortController();
    const answer = transport.insist("", given.signal);
    await until(() => timing.pausing);
    given.abort();
    expect((await answer).failure.type).toBe("NoConnectionException");
    await aWhile();
    expect(service.heard).toHaveLength(1);
  });

  test("is not cut: what it began would be nobody's", async () => {
    service.on("POST /", "hold");
    const given = new AbortController();
    const answer = transport.insist("", given.signal);
    await until(() => service.isHeld("POST /"));
    given.abort();
    await aWhile();
    service.release("POST /", { json: { requestId: "r1" } });
    expect((await answer).body).toEqual({ requestId: "r1" });
  });
});

describe("who follows a channel", () => {
  test("reads it at once, then asks for what is newer than it knows", async () => {
    service.on(PLAIN, view(channel({ status: "wait" }), 1)).on(HELD, "hold");
    const heard = follow();
    await until(() => service.isHeld(HELD));
    expect(heard).toEqual([1]);
    expect(service.calls(PLAIN)[0]?.query.has("since")).toBe(false);
    expect(service.calls(HELD)[0]?.query.get("since")).toBe("1");
    service.release(HELD, { json: channel(), etag: 'W/"2"' });
    await until(() => service.isHeld(HELD));
    expect(heard).toEqual([1, 2]);
    expect(service.calls(HELD)[1]?.query.get("since")).toBe("2");
    expect(timing.pauses).toEqual([]);
  });

  test("asks again at once when nothing has happened", async () => {
    service.on(PLAIN, view(channel(), 1)).on(HELD, "hold");
    const heard = follow();
    for (const n of [1, 2, 3]) {
      await until(() => service.isHeld(HELD));
      expect(service.calls(HELD)).toHaveLength(n);
      timing.advance(25_000);
      service.release(HELD, TIMEOUT);
    }
    await until(() => service.isHeld(HELD));
    expect(new Set(service.calls(HELD).map(({ query }) => query.get("since")))).toEqual(
      new Set(["1"]),
    );
    expect(heard).toEqual([1]);
    expect(timing.pauses).toEqual([]);
  });

  test("leaves a service in peace that answers at once without news", async () => {
    service.on(PLAIN, view(channel(), 1)).on(HELD, TIMEOUT);
    follow();
    for (let n = 1; n <= 6; n++) {
      await until(() => timing.pauses.length === n);
      timing.advance(timing.pauses.at(-1) ?? 0);
    }
    expect(timing.pauses).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000]);
    expect(service.calls(HELD).length).toBeLessThanOrEqual(8);
  });

  test("goes on after a message has ended, and stops after every other refusal", async () => {
    const ended = refusal("ResendChannelException", 400, { etag: '"4"' });
    service.on(PLAIN, ended).on(HELD, "hold");
    const heard = follow();
    await until(() => service.isHeld(HELD));
    expect(service.calls(HELD)[0]?.query.get("since")).toBe("4");
    service.release(HELD, refusal("SessionClosedException"));
    await until(() => heard.length === 2);
    await aWhile();
    expect(heard).toEqual(["ResendChannelException", "SessionClosedException"]);
    expect(service.heard).toHaveLength(2);
  });

  test("stops when the number is proven", async () => {
    service.on(PLAIN, view(channel({ status: "confirmed" }), 6));
    const heard = follow();
    await until(() => heard.length === 1);
    await aWhile();
    expect(service.heard).toHaveLength(1);
  });

  test("takes a held call that is cut for no harm when the plain read succeeds", async () => {
    service.on(PLAIN, view(channel(), 1)).on(HELD, "hold");
    const heard = follow();
    await until(() => service.isHeld(HELD));
    timing.advance(20_000);
    service.release(HELD, { status: 504, text: "<html>Gateway Time-out</html>" });
    await until(() => service.isHeld(HELD));
    expect(service.calls(PLAIN)).toHaveLength(2);
    expect(heard).toEqual([1, 1]);
  });

  test("says nothing of a blip: only the second plain read that fails is news", async () => {
    service.on(PLAIN, view(channel(), 1), "cut", view(channel(), 1)).on(HELD, "cut", "hold");
    const heard = follow();
    await until(() => timing.pausing);
    timing.advance(10_000);
    await until(() => service.isHeld(HELD));
    expect(service.calls(PLAIN)).toHaveLength(3);
    expect(heard).toEqual([1, 1]);
  });

  test("finds the service again after it was killed and started", async () => {
    service.on(PLAIN, view(channel({ status: "wait" }), 1)).on(HELD, "hold");
    const heard = follow();
    await until(() => service.isHeld(HELD));
    await service.stop();
    for (const pauses of [1, 2, 3]) {
      await until(() => timing.pauses.length === pauses && timing.pausing);
      if (pauses < 3) timing.advance(10_000);
    }
    expect(heard).toEqual([1, false]);
    await service.start();
    service.on(PLAIN, view(channel(), 2));
    timing.advance(10_000);
    await until(() => service.isHeld(HELD));
    expect(heard).toEqual([1, false, true, 2]);
    expect(service.calls(HELD).at(-1)?.query.get("since")).toBe("2");
  });

  test.each([
    ["garbage", { text: "<html>log in to the train's network</html>" }],
    ["no channel", { json: { hello: "world" } }],
    ["a channel of no known status", { json: { type: "sms", status: "dancing" } }],
    ["an error of ours", refusal("InternalServerErrorException", 500)],
  ])("takes %s for a lost connection, and keeps trying", async (_, reply) => {
    service.on(PLAIN, reply).on(HELD, "hold");
    const heard = follow();
    await until(() => timing.pausing);
    expect(heard).toEqual([false]);
    service.on(PLAIN, view(channel(), 1));
    timing.advance(10_000);
    await until(() => service.isHeld(HELD));
    expect(heard).toEqual([false, true, 1]);
  });

  test("waits as long as it is told, and does not call a limit a lost connection", async () => {
    const limit = refusal("RateLimitException", 429, { retryAfter: 12 });
    service.on(PLAIN, limit, limit, view(channel(), 1)).on(HELD, "hold");
    const heard = follow();
    for (const pauses of [1, 2]) {
      await until(() => timing.pauses.length === pauses && timing.pausing);
      timing.advance(12_000);
    }
    await until(() => service.isHeld(HELD));
    expect(timing.pauses).toEqual([12_000, 12_000]);
    expect(heard).toEqual([1]);
  });

  test("does not wait for a day because somebody says so", async () => {
    service.on(PLAIN, refusal("ServiceUnavailableException", 503, { retryAfter: 86_400 }));
    follow();
    await until(() => timing.slept.at(-1) === 30_000);
  });

  test("gives a silent service up, first by a held call, then by plain reads", async () => {
    service.on(PLAIN, view(channel(), 1), "hold").on(HELD, "hold");
    const heard = follow();
    await until(() => service.isHeld(HELD));
    timing.advance(59_999);
    await aWhile();
    expect(service.calls(PLAIN)).toHaveLength(1);
    timing.advance(1);
    await until(() => service.isHeld(PLAIN));
    expect(heard).toEqual([1]);
    timing.advance(15_000);
    await until(() => service.calls(PLAIN).length === 3);
    timing.advance(15_000);
    await until(() => heard.length === 2);
    expect(heard).toEqual([1, false]);
  });

  test("reads at once when somebody wants to know", async () => {
    service.on(PLAIN, view(channel(), 1), view(channel({ type: "voice" }), 2)).on(HELD, "hold");
    const heard = follow();
    await until(() => service.isHeld(HELD));
    following?.look();
    await until(() => heard.length === 2);
    expect(heard).toEqual([1, 2]);
    expect(service.calls(HELD)[0]?.left).toBe(true);
    await until(() => service.isHeld(HELD));
    expect(service.calls(HELD)[1]?.query.get("since")).toBe("2");
  });

  test("is woken from a pause when somebody wants to know", async () => {
    service.on(PLAIN, "cut");
    const heard = follow();
    await until(() => timing.pausing);
    service.on(PLAIN, view(channel(), 1)).on(HELD, "hold");
    following?.look();
    await until(() => service.isHeld(HELD));
    expect(heard.filter((word) => word !== false && word !== true)).toEqual([1]);
  });

  test("hears nothing more after it has stopped", async () => {
    service.on(PLAIN, view(channel(), 1)).on(HELD, "hold");
    const heard = follow();
    await until(() => service.isHeld(HELD));
    following?.stop();
    await until(() => service.calls(HELD)[0]?.left);
    service.release(HELD, { json: channel(), etag: '"2"' });
    await aWhile();
    expect(heard).toEqual([1]);
    expect(service.heard).toHaveLength(2);
  });

  test("asks nothing more when it is stopped from within", async () => {
    service.on(PLAIN, view(channel(), 1));
    transport.follow("r1", { channel: () => following?.stop(), refused() {}, link() {} });
    following = transport.follow("r1", {
      channel: () => following?.stop(),
      refused() {},
      link() {},
    });
    await until(() => service.calls(PLAIN).length === 2);
    await aWhile();
    expect(service.calls(HELD).length).toBeLessThanOrEqual(1);
  });

  test("gets along with a service that knows no versions", async () => {
    service.on(PLAIN, { json: channel() }).on(HELD, "hold");
    const heard = follow();
    await until(() => service.isHeld(HELD));
    expect(service.calls(HELD)[0]?.query.has("since")).toBe(false);
    timing.advance(2_000);
    service.release(HELD, { json: { type: "voice", status: "sent" } });
    await until(() => heard.length === 2);
    expect(heard).toEqual(["no version", "no version"]);
  });

  test("fills in what another implementation leaves out", async () => {
    service.on(PLAIN, { json: { type: "voice", status: "sent" } }).on(HELD, "hold");
    const views: Channel[] = [];
    following = transport.follow("r1", {
      channel: (seen) => views.push(seen),
      refused() {},
      link() {},
    });
    await until(() => views.length);
    expect(views[0]).toEqual({
      type: "voice",
      status: "sent",
      label: "voice",
      codeType: "code",
      remainingCodeAttempts: 0,
      payload: {},
      settings: {},
    });
  });
});
