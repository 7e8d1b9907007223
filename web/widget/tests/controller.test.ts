import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Controller, type ControllerOptions, createController } from "../src/controller";
import type { KaskadEvent, Memory, State } from "../src/state";
import { aWhile, FakeService, FakeStorage, FakeTiming, refusal, until, view } from "./fakes";
import { channel, WIDGET } from "./states";

const ID = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc";
const KEY = `kaskad-otp:${ID}`;
const PLAIN = "GET /r1/channel";
const HELD = "GET /longPolling/r1/channel";
const SENT = { status: 201, json: { requestId: "r1", recipient: "+79001234567" } };
const SUCCESS = { status: 201, json: { success: true } };

/** The browser around the form. */
class FakeSurroundings {
  wake = () => {};
  lost = () => {};
  back = () => {};
  watched = 0;
  watch = (wake: () => void, lost: () => void, back: () => void) => {
    this.watched += 1;
    this.wake = wake;
    this.lost = lost;
    this.back = back;
    return () => {
      this.watched -= 1;
    };
  };
}

let service: FakeService;
let timing: FakeTiming;
let storage: FakeStorage;
let surroundings: FakeSurroundings;
let controller: Controller;
let events: [KaskadEvent, object][];
let states: State[];

const is = (step: State["step"]) => () => controller.state.step === step;
const names = () => events.map(([name]) => name);

function make(more: Partial<ControllerOptions> = {}): Controller {
  events = [];
  states = [];
  controller = createController({
    widgetId: ID,
    apiUrl: service.url,
    locale: () => "en",
    storage,
    timing,
    surroundings,
    onChange: (state) => states.push(state),
    onEvent: (name, detail) => events.push([name, detail]),
    ...more,
  });
  return controller;
}

beforeEach(async () => {
  service = new FakeService();
  await service.start();
  service
    .on(`GET /widget/${ID}`, { json: { ...WIDGET, captchaProvider: undefined } })
    .on("POST /", SENT)
    .on(PLAIN, view(channel(), 2))
    .on(HELD, "hold")
    .on("POST /r1/checkCode", SUCCESS)
    .on("POST /r1/resend", SUCCESS)
    .on("POST /r1/cancel", SUCCESS);
  timing = new FakeTiming();
  storage = new FakeStorage();
  surroundings = new FakeSurroundings();
  make();
});

afterEach(async () => {
  controller.stop();
  await service.stop();
});

async function toSending() {
  service.on("POST /", "hold");
  controller.start();
  await until(is("phone"));
  controller.send("89001234567");
  await until(() => service.isHeld("POST /"));
}

async function toCode() {
  controller.start();
  await until(is("phone"));
  controller.send("8 900 123-45-67");
  await until(is("code"));
  await until(() => service.isHeld(HELD));
}

describe("a verification", () => {
  test("goes from the number over the code to the proof", async () => {
    await toCode();
    expect(service.calls("POST /")[0]?.body).toEqual({
      widgetId: ID,
      recipient: "8 900 123-45-67",
      locale: "en",
    });
    controller.submitCode("123 456");
    await until(is("verified"));
    expect(service.calls("POST /r1/checkCode").map(({ body }) => body)).toEqual([
      { code: "123456" },
    ]);
    expect(names()).toEqual(["otp-ready", "otp-sent", "otp-verified"]);
    expect(events.at(-1)?.[1]).toEqual({
      requestId: "r1",
      recipient: "+79001234567",
      status: "success",
    });
    await until(() => service.calls(HELD)[0]?.left);
  });

  test("is proven elsewhere: the poll brings it", async () => {
    const push = channel({ type: "sim_push", codeType: "codeless" });
    service.on(PLAIN, view(push, 2));
    controller.start();
    await until(is("phone"));
    controller.send("89001234567");
    await until(() => service.isHeld(HELD));
    expect(controller.state.step).toBe("codeless");
    service.release(HELD, { json: { ...push, status: "confirmed" }, etag: '"3"' });
    await until(is("verified"));
  });

  test("shows the state before it tells of it", async () => {
    const seen: string[] = [];
    make({
      onEvent: (name) => seen.push(`${name} ${controller.state.step} ${states.at(-1)?.step}`),
    });
    await toCode();
    controller.submitCode("123456");
    await until(is("verified"));
    expect(seen).toEqual([
      "otp-ready phone phone",
      "otp-sent waiting waiting",
      "otp-verified verified verified",
    ]);
  });

  test("may be driven from within its own events", async () => {
    make({
      onEvent: (name) => {
        if (name === "otp-ready") controller.send("89001234567");
      },
      onChange: ({ step, busy }) => {
        if (step === "code" && !busy) controller.submitCode("123456");
      },
    });
    controller.start();
    await until(is("verified"));
    expect(service.calls("POST /")).toHaveLength(1);
    expect(service.calls("POST /r1/checkCode")).toHaveLength(1);
  });

  test("is done with one step before the next begins", async () => {
    make({
      onChange: ({ step }) => {
        if (step === "waiting") controller.changeNumber();
      },
    });
    controller.start();
    await until(is("phone"));
    controller.send("89001234567");
    await until(() => service.calls("POST /r1/cancel").length);
    await aWhile();
    expect(controller.state.step).toBe("phone");
    expect(storage.getItem(KEY)).toBeNull();
    expect(service.isHeld(HELD)).toBe(false);
    expect(names()).toEqual(["otp-ready", "otp-sent"]);
  });

  test("has the server's clock", async () => {
    await toCode();
    expect(controller.now() - timing.now()).toBe(5_000);
  });

  test("asks for another message, and for another way", async () => {
    await toCode();
    controller.resend();
    await until(() => names().includes("otp-resend"));
    await until(() => controller.state.busy === null);
    controller.anotherWay();
    await until(() => names().filter((name) => name === "otp-resend").length === 2);
    expect(service.calls("POST /r1/resend").map(({ body }) => body)).toEqual(["", { next: true }]);
  });

  test("of a service whose success is none is not proven", async () => {
    service.on("POST /r1/checkCode", { json: { success: false } });
    await toCode();
    controller.submitCode("123456");
    await until(() => controller.state.problem);
    expect(controller.state).toMatchObject({ step: "code", busy: null });
  });

  test("that the service takes without naming a session stays with the number", async () => {
    service.on("POST /", { json: [] });
    controller.start();
    await until(is("phone"));
    controller.send("89001234567");
    await until(() => controller.state.problem);
    expect(controller.state.step).toBe("phone");
  });
});

describe("the wrong number", () => {
  test("gives the session up and begins anew", async () => {
    await toCode();
    controller.changeNumber();
    expect(controller.state).toMatchObject({ step: "phone", typedPhone: "8 900 123-45-67" });
    await until(() => service.calls("POST /r1/cancel").length === 1);
    expect(storage.getItem(KEY)).toBeNull();
    await until(() => service.calls(HELD)[0]?.left);
  });

  test("is given up even if its session is only known afterwards", async () => {
    await toSending();
    controller.changeNumber();
    expect(controller.state).toMatchObject({ step: "phone", busy: null });
    service.release("POST /", SENT);
    await until(() => service.calls("POST /r1/cancel").length === 1);
    expect(controller.state.step).toBe("phone");
    expect(storage.getItem(KEY)).toBeNull();
    expect(names()).toEqual(["otp-ready"]);
  });

  test("is not sent to again once it is given up", async () => {
    service.on("POST /", "cut");
    controller.start();
    await until(is("phone"));
    controller.send("89001234567");
    await until(() => timing.pausing);
    controller.changeNumber();
    timing.advance(1_000);
    await aWhile();
    expect(service.calls("POST /")).toHaveLength(1);
    expect(controller.state).toMatchObject({ step: "phone", busy: null, problem: null });
  });

  test("that is corrected before the captcha is solved is never sent to", async () => {
    const widget = { ...WIDGET, captchaIsRequired: true, captchaChallengeUrl: "challenge" };
    service.on(`GET /widget/${ID}`, { json: widget }).on("GET /challenge", "hold");
    controller.start();
    await until(is("phone"));
    controller.send("89001234567");
    await until(() => service.isHeld("GET /challenge"));
    controller.changeNumber();
    await until(() => service.calls("GET /challenge")[0]?.left);
    await aWhile();
    expect(controller.state).toMatchObject({ step: "phone", busy: null, captcha: false });
    expect(service.calls("POST /")).toHaveLength(0);
  });
});

describe("a reload", () => {
  async function reload() {
    controller.stop();
    make();
    controller.start();
  }

  test("goes on where it was, and remembers no code", async () => {
    await toCode();
    controller.submitCode("424242");
    await until(is("verified"));
    expect(JSON.parse(storage.getItem(KEY) ?? "")).toEqual({
      widgetId: ID,
      requestId: "r1",
      recipient: "+79001234567",
      lengths: [6],
    });
    await reload();
    await until(is("code"));
    expect(controller.state.recipient).toBe("+79001234567");
    expect(service.calls("POST /")).toHaveLength(1);
  });

  test("tells of the proof again while it has not been collected", async () => {
    await toCode();
    service.on(PLAIN, view(channel({ status: "confirmed" }), 5));
    await reload();
    await until(is("verified"));
    expect(names()).toContain("otp-verified");
  });

  test.each(["SessionClosedException", "SessionNotFoundException", "AttemptsExpiredException"])(
    "drops a session that answers %s without a word",
    async (type) => {
      await toCode();
      service.on(PLAIN, refusal(type));
      await reload();
      await until(is("phone"));
      await aWhile();
      expect(controller.state).toMatchObject({ step: "phone", problem: null });
      expect(names()).toEqual(["otp-ready"]);
      expect(storage.getItem(KEY)).toBeNull();
    },
  );

  test.each(["garbage", "null", '"text"', "{}", `{"widgetId":"another","requestId":"r1"}`])(
    "starts anew from %s",
    async (text) => {
      storage.setItem(KEY, text);
      controller.start();
      await until(is("phone"));
      expect(service.calls(PLAIN)).toHaveLength(0);
    },
  );

  test("starts anew where nothing can be kept", async () => {
    storage.full = true;
    await toCode();
    expect(storage.getItem(KEY)).toBeNull();
    make({ storage: null });
    controller.start();
    await until(is("phone"));
  });

  test("believes only the newest answer about the widget", async () => {
    const load = `GET /widget/${ID}`;
    storage.setItem(KEY, JSON.stringify({ widgetId: ID, requestId: "r1", recipient: "+7" }));
    service.on(load, "hold", { json: { ...WIDGET, name: "new" } });
    service.on(PLAIN, "hold");
    controller.start();
    await until(() => service.isHeld(load) && service.isHeld(PLAIN));
    service.release(PLAIN, refusal("SessionClosedException"));
    await until(is("phone"));
    service.release(load, { json: { ...WIDGET, name: "old", isBlocked: true } });
    await aWhile();
    expect(controller.state).toMatchObject({ step: "phone", widget: { name: "new" } });
  });

  test("waits for a service that is away, and goes on", async () => {
    await toCode();
    controller.stop();
    service.on(PLAIN, "cut").on(`GET /widget/${ID}`, "cut");
    make();
    controller.start();
    await until(() => controller.state.offline);
    expect(controller.state.step).toBe("loading");
    service.on(PLAIN, view(channel(), 2));
    surroundings.wake();
    await until(is("code"));
    expect(controller.state.offline).toBe(false);
  });
});

describe("the surroundings", () => {
  test("a tab that is seen again reads the channel at once", async () => {
    await toCode();
    service.on(PLAIN, view(channel({ status: "confirmed" }), 3));
    surroundings.wake();
    await until(is("verified"));
  });

  test("a lost network is told at once, and its return heals it", async () => {
    await toCode();
    surroundings.lost();
    expect(controller.state.offline).toBe(true);
    surroundings.wake();
    await until(() => !controller.state.offline);
    expect(controller.state.step).toBe("code");
  });

  test("a form without its widget comes by itself when the network does", async () => {
    service.on(`GET /widget/${ID}`, "cut");
    controller.start();
    await until(is("unavailable"));
    expect(controller.state.problem?.type).toBe("NoConnectionException");
    service.on(`GET /widget/${ID}`, { json: WIDGET });
    surroundings.wake();
    await until(is("phone"));
  });

  test("a form that is blocked does not ask again and again", async () => {
    service.on(`GET /widget/${ID}`, { json: { ...WIDGET, isBlocked: true } });
    controller.start();
    await until(is("unavailable"));
    surroundings.wake();
    await aWhile();
    expect(service.heard).toHaveLength(1);
    controller.retry();
    await until(() => service.heard.length === 2);
  });

  test("a captive portal's page is no widget", async () => {
    service.on(`GET /widget/${ID}`, { json: {} });
    controller.start();
    await until(is("unavailable"));
    expect(controller.state.problem?.type).toBe("NoConnectionException");
  });
});

describe("a form that leaves the page", () => {
  test("has nothing under way, and goes on when it is back", async () => {
    await toCode();
    service.on("POST /r1/checkCode", "hold");
    controller.submitCode("123456");
    await until(() => service.isHeld("POST /r1/checkCode"));
    controller.stop();
    expect(surroundings.watched).toBe(0);
    expect(controller.state.busy).toBeNull();
    await until(() => service.calls("POST /r1/checkCode")[0]?.left);
    await until(() => service.calls(HELD)[0]?.left);
    const before = service.heard.length;
    await aWhile();
    expect(service.heard).toHaveLength(before);
    controller.start();
    await until(() => service.calls(PLAIN).length === 2);
    expect(surroundings.watched).toBe(1);
    service.on("POST /r1/checkCode", SUCCESS);
    controller.submitCode("123456");
    await until(is("verified"));
  });

  test("is followed by one call, however often it is told to start", async () => {
    await toCode();
    controller.start();
    controller.start();
    await until(() => service.calls(HELD)[0]?.left);
    await until(() => service.isHeld(HELD));
    await aWhile();
    expect(service.calls(HELD).filter(({ left }) => !left)).toHaveLength(1);
    controller.stop();
    expect(surroundings.watched).toBe(0);
    await until(() => service.calls(HELD).every(({ left }) => left));
  });

  test("may be moved while it sends: the session is its own", async () => {
    await toSending();
    controller.stop();
    controller.start();
    service.release("POST /", SENT);
    await until(is("code"));
    expect(service.calls("POST /")).toHaveLength(1);
    expect(service.calls("POST /r1/cancel")).toHaveLength(0);
    expect(names()).toEqual(["otp-ready", "otp-sent"]);
  });

  test("remembers what it sent, and follows it only when it is back", async () => {
    await toSending();
    controller.stop();
    service.release("POST /", SENT);
    await until(is("waiting"));
    await aWhile();
    expect(JSON.parse(storage.getItem(KEY) ?? "")).toMatchObject({ requestId: "r1" });
    expect(service.calls(PLAIN)).toHaveLength(0);
    controller.start();
    await until(is("code"));
  });

  test("is told when what it sent while it was moved was lost", async () => {
    service.on("POST /", "cut");
    controller.start();
    await until(is("phone"));
    controller.send("89001234567");
    await until(() => timing.pausing);
    controller.stop();
    controller.start();
    await until(() => controller.state.problem);
    expect(controller.state).toMatchObject({ step: "phone", busy: null });
    expect(service.calls("POST /")).toHaveLength(1);
  });

  test("may be moved before it has its widget", async () => {
    service.on(`GET /widget/${ID}`, "hold");
    controller.start();
    await until(() => service.isHeld(`GET /widget/${ID}`));
    controller.stop();
    service.on(`GET /widget/${ID}`, { json: WIDGET });
    controller.start();
    await until(is("phone"));
    expect(surroundings.watched).toBe(1);
  });
});

describe("a lost answer", () => {
  test("to a send is asked for again under its key", async () => {
    const sent = { status: 201, json: { requestId: "r1", recipient: "+79001234567" } };
    service.on("POST /", "cut", sent);
    controller.start();
    await until(is("phone"));
    controller.send("89001234567");
    await until(() => timing.pausing);
    timing.advance(1_000);
    await until(is("code"));
    const keys = service.calls("POST /").map(({ headers }) => headers["idempotency-key"]);
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(1);
  });

  test("to a check costs no second attempt: the channel tells that it was right", async () => {
    await toCode();
    service.on("POST /r1/checkCode", "cut").on(PLAIN, view(channel({ status: "confirmed" }), 3));
    controller.submitCode("123456");
    await until(is("verified"));
    expect(service.calls("POST /r1/checkCode")).toHaveLength(1);
  });
});

describe("a page that is back as it was left", () => {
  async function toVerified() {
    service.on(HELD, view(channel({ status: "confirmed" }), 3));
    controller.start();
    await until(is("phone"));
    controller.send("89001234567");
    await until(is("verified"));
  }

  test("begins anew when its verdict has been collected", async () => {
    await toVerified();
    events = [];
    service.on(PLAIN, refusal("SessionClosedException"));
    surroundings.back();
    await until(is("phone"));
    expect(controller.state).toMatchObject({ requestId: null, problem: null });
    expect(names()).toEqual([]);
    expect(storage.getItem(KEY)).toBeNull();
  });

  test("keeps a verdict that still waits, and tells of it no second time", async () => {
    await toVerified();
    const asked = service.calls(PLAIN).length;
    service.on(PLAIN, view(channel({ status: "confirmed" }), 3));
    surroundings.back();
    await until(() => !(controller.state as Memory).resumed);
    expect(service.calls(PLAIN)).toHaveLength(asked + 1);
    expect(controller.state.step).toBe("verified");
    expect(names().filter((name) => name === "otp-verified")).toHaveLength(1);
  });

  test("keeps what was proven while there is no service to ask", async () => {
    await toVerified();
    service.on(PLAIN, "cut");
    surroundings.back();
    await until(() => timing.pausing);
    expect(controller.state).toMatchObject({ step: "verified", offline: false });
  });
});

describe("a captcha", () => {
  const challenge = {
    algorithm: "SHA-256",
    // sha256("salt?expires=1&" + 42)
    challenge: "",
    maxnumber: 100,
    salt: "salt?expires=1&",
    signature: "s",
  };

  test("is solved when the service asks for one, and its token sent", async () => {
    const { createHash } = await import("node:crypto");
    const solution = createHash("sha256").update(`${challenge.salt}42`).digest("hex");
    const widget = {
      ...WIDGET,
      captchaIsRequired: true,
      captchaChallengeUrl: `widget/${ID}/challenge`,
    };
    const sent = { status: 201, json: { requestId: "r1", recipient: "+79001234567" } };
    service
      .on("POST /", refusal("CaptchaNotConfirmedException"), sent)
      .on(`GET /widget/${ID}`, { json: WIDGET }, { json: widget })
      .on(`GET /widget/${ID}/challenge`, { json: { ...challenge, challenge: solution } });
    controller.start();
    await until(is("phone"));
    controller.send("89001234567");
    await until(is("code"));
    const bodies = service.calls("POST /").map(({ body }) => body as { captchaToken?: string });
    expect(bodies[0]?.captchaToken).toBeUndefined();
    expect(JSON.parse(atob(bodies[1]?.captchaToken ?? ""))).toEqual({
      algorithm: "SHA-256",
      challenge: solution,
      number: 42,
      salt: challenge.salt,
      signature: "s",
    });
  });

  test("that cannot be had leaves the number to be sent again", async () => {
    const widget = { ...WIDGET, captchaIsRequired: true, captchaChallengeUrl: "nowhere" };
    service.on(`GET /widget/${ID}`, { json: widget });
    controller.start();
    await until(is("phone"));
    controller.send("89001234567");
    await until(() => controller.state.problem);
    expect(controller.state).toMatchObject({
      step: "phone",
      busy: null,
      captcha: false,
      problem: { type: "CaptchaNotConfirmedException", field: "captcha" },
    });
    expect(service.calls("POST /")).toHaveLength(0);
  });
});
