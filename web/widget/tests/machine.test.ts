import { describe, expect, test } from "vitest";
import type { Channel, ChannelPayload } from "../src/api";
import { reduce } from "../src/machine";
import type { Effect, Event, Memory } from "../src/state";
import { channel, EVENTS, FAILURES, line, NOW, STATES, WIDGET } from "./states";

const state = (name: string): Memory => {
  const found = STATES[name];
  if (!found) throw new Error(`no state ${name}`);
  return found;
};

const reach = (from: Memory, ...events: Event[]): [Memory, Effect[]] =>
  events.reduce<[Memory, Effect[]]>(
    ([before], event) => reduce(before, event),
    [from, [] as Effect[]],
  );

const detail = (effects: Effect[]): object | undefined =>
  effects.flatMap((effect) => (effect.type === "emit" ? [effect.detail] : []))[0];

function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(freeze);
    Object.freeze(value);
  }
  return value;
}

describe("every event in every state", () => {
  test("does what the table says, and nothing where it has no line", async () => {
    const table = Object.entries(EVENTS).map(([name, event]) => {
      const lines = new Map<string, string[]>();
      for (const [before, memory] of Object.entries(STATES)) {
        const [next, effects] = reduce(memory, event);
        if (next === memory && effects.length === 0) continue;
        const step = line(next, effects);
        lines.set(step, [...(lines.get(step) ?? []), before]);
      }
      const rows = [...lines].map(([step, from]) => `  [${from.join("] [")}] -> ${step}\n`);
      return `${name}\n${rows.join("")}`;
    });
    await expect(table.join("")).toMatchFileSnapshot("steps.txt");
  });

  test("leaves the state before as it was, and comes out the same again", () => {
    for (const event of Object.values(EVENTS)) {
      for (const memory of Object.values(STATES)) {
        const once = reduce(freeze(structuredClone(memory)), freeze(structuredClone(event)));
        expect(reduce(structuredClone(memory), event)).toEqual(once);
      }
    }
  });

  test("knows every type of event", () => {
    const types = new Set(Object.values(EVENTS).map(({ type }) => type));
    expect(types.size).toBe(21);
  });

  test("never shows the page a code", () => {
    for (const memory of Object.values(STATES)) {
      for (const event of Object.values(EVENTS)) {
        const [, effects] = reduce({ ...memory, held: "424242", wrong: "434343" }, event);
        const heard = JSON.stringify(effects.filter(({ type }) => type === "emit"));
        expect(heard).not.toMatch(/42424|43434|11111/);
        expect(JSON.stringify(effects.filter(({ type }) => type === "save"))).not.toMatch(
          /4242|1111/,
        );
      }
    }
  });
});

describe("the channel", () => {
  const read = (view = channel(), version = 9): Event => ({
    type: "channel",
    requestId: "r1",
    channel: view,
    version,
    now: NOW,
  });

  test("brings the server's clock", () => {
    expect(reach(state("waiting, first"), read())[0].skewMs).toBe(5000);
    const mute = channel({ payload: {} });
    expect(reach({ ...state("code"), skewMs: 7 }, read(mute))[0].skewMs).toBe(7);
  });

  test("tells what it was before, until the person asks for another message", () => {
    const [moved, effects] = reach(state("code"), read(channel({ type: "voice" })));
    expect(moved).toMatchObject({ step: "code", changedFrom: "sms", version: 9 });
    expect(detail(effects)).toEqual({
      requestId: "r1",
      channel: "voice",
      codeType: "code",
      previous: "sms",
    });
    const [still] = reach(moved, read(channel({ type: "voice", remainingCodeAttempts: 2 }), 10));
    expect(still.changedFrom).toBe("sms");
    expect(reach(still, { type: "resend", next: false })[0].changedFrom).toBeNull();
  });

  test("is another one when it turns codeless under the same name", () => {
    const [turned] = reach(state("code"), read(channel({ codeType: "codeless" })));
    expect(turned).toMatchObject({ step: "codeless", changedFrom: "sms" });
  });

  test("keeps the problem of a code while the message is the same", () => {
    const wrong: Event = { type: "checkFailed", requestId: "r1", failure: FAILURES.wrong };
    const [missed] = reach(state("code, checking"), wrong);
    const [same] = reach(missed, read(channel({ remainingCodeAttempts: 2 }), 4));
    expect(same.problem?.type).toBe("InvalidCodeException");
    const later = channel({ payload: { expiresAt: "2026-03-01T09:09:00Z" } });
    expect(reach(same, read(later, 5))[0]).toMatchObject({ problem: null, wrong: null });
  });
});

describe("a code", () => {
  const submit = (code: string): Event => ({ type: "submit", code });
  const failed = (failure: keyof typeof FAILURES): Event => ({
    type: "checkFailed",
    requestId: "r1",
    failure: FAILURES[failure],
  });

  test("is checked once, however often it is submitted", () => {
    const [checking, effects] = reach(state("code"), submit(" 123456 "));
    expect(effects).toEqual([{ type: "check", requestId: "r1", code: "123456" }]);
    expect(reduce(checking, submit("123456"))).toEqual([checking, []]);
    const [twice, none] = reach(checking, submit("654321"), submit("123456"));
    expect([twice, none]).toEqual([checking, []]);
  });

  test("that is typed while another is checked is checked after its refusal", () => {
    const [held, none] = reach(state("code"), submit("123456"), submit("654 321"));
    expect(none).toEqual([]);
    const [checking, effects] = reduce(held, failed("wrong"));
    expect(effects.at(-1)).toEqual({ type: "check", requestId: "r1", code: "654321" });
    expect(checking).toMatchObject({ busy: "checking", problem: null, held: null });
    expect(detail(effects)).toMatchObject({ type: "InvalidCodeException", attemptsLeft: 2 });
    expect(reach(checking, failed("wrong"))[0]).toMatchObject({ wrong: "654321", held: null });
  });

  test.each(["lost", "rate", "ended", "spent"] as const)(
    "that is typed while another is checked waits for the person after %s",
    (failure) => {
      const [next, effects] = reach(
        state("code"),
        submit("123456"),
        submit("654321"),
        failed(failure),
      );
      expect(effects.map(({ type }) => type)).not.toContain("check");
      expect(next).toMatchObject({ busy: null, held: null });
    },
  );

  test.each([
    ["before", [0, 1]],
    ["while", [1, 0]],
  ] as const)("that was refused %s its message was told to be sent stays refused", (_, order) => {
    const read = (status: Channel["status"], end: string, version: number): Event => ({
      type: "channel",
      requestId: "r1",
      channel: channel({ status, payload: { expiresAt: `2026-03-01T09:0${end}:00Z` } }),
      version,
      now: NOW,
    });
    const both = [failed("wrong"), read("sent", "5", 5)];
    const [missed] = reach(
      state("waiting"),
      read("wait", "1", 4),
      submit("123456"),
      ...order.map((at) => both[at] as Event),
    );
    expect(missed).toMatchObject({ step: "code", problem: { type: "InvalidCodeException" } });
    expect(reach(missed, submit("123456"))[1].map(({ type }) => type)).toEqual(["emit"]);
  });

  test("that was refused for an earlier message may be right for the one that came meanwhile", () => {
    const moved: Event = {
      type: "channel",
      requestId: "r1",
      channel: channel({ type: "voice" }),
      version: 5,
      now: NOW,
    };
    const [missed] = reach(state("code"), submit("123456"), moved, failed("wrong"));
    expect(missed.channel?.remainingCodeAttempts).toBe(3);
    expect(reach(missed, submit("123456"))[1].map(({ type }) => type)).toEqual(["check"]);
  });

  test("that was refused is not asked about again, and the face hears of it", () => {
    const [missed] = reach(state("code"), submit("123456"), failed("wrong"));
    const [again, effects] = reach(missed, submit("123456"));
    expect(effects.map(({ type }) => type)).toEqual(["emit"]);
    expect(again.problem).toEqual(missed.problem);
    expect(again).not.toBe(missed);
    expect(reach(missed, submit("123457"))[1].map(({ type }) => type)).toEqual(["check"]);
  });

  test("that was refused may be right for the next message", () => {
    const [missed] = reach(state("code"), submit("123456"), failed("wrong"));
    const resent: Event[] = [
      { type: "resend", next: false },
      { type: "resent", requestId: "r1" },
    ];
    const [, effects] = reach(missed, ...resent, submit("123456"));
    expect(effects.map(({ type }) => type)).toEqual(["check"]);
  });

  test("whose answer was lost may be asked about again", () => {
    const [lost] = reach(state("code"), submit("123456"), failed("lost"));
    expect(reach(lost, submit("123456"))[1].map(({ type }) => type)).toEqual(["check"]);
  });

  test("that was refused leaves one attempt less, counted once", () => {
    const [missed, effects] = reach(state("code"), submit("123456"), failed("wrong"));
    expect(missed.channel?.remainingCodeAttempts).toBe(2);
    expect(detail(effects)).toEqual({
      requestId: "r1",
      type: "InvalidCodeException",
      attemptsLeft: 2,
    });
    const view = channel({ remainingCodeAttempts: 2 });
    const read: Event = { type: "channel", requestId: "r1", channel: view, version: 4, now: NOW };
    const [told] = reach(state("code"), submit("123456"), read, failed("wrong"));
    expect(told.channel?.remainingCodeAttempts).toBe(2);
    expect(reach(told, submit("123456"))[1].map(({ type }) => type)).toEqual(["emit"]);
  });

  test("that is too short costs nothing, and news of its message leave the sentence", () => {
    const [short, effects] = reach(state("code"), submit("123"));
    expect(effects.map(({ type }) => type)).toEqual(["emit"]);
    expect(short.problem).toMatchObject({ type: "ValidateError", field: "code" });
    const read: Event = {
      type: "channel",
      requestId: "r1",
      channel: channel(),
      version: 4,
      now: NOW,
    };
    expect(reach(short, read)[0].problem).toBe(short.problem);
    const [early] = reach(state("waiting"), submit("123"), read);
    expect(early).toMatchObject({ step: "code", problem: { type: "ValidateError" } });
  });

  test("that found no service may be sent again once there is one: nothing says otherwise", () => {
    const [lost] = reach(state("code"), submit("123456"), failed("lost"));
    const [up] = reach(lost, { type: "link", up: true });
    expect(up.problem).toBe(lost.problem);
    const [back] = reach(lost, { type: "link", up: false }, { type: "link", up: true });
    expect(back).toMatchObject({ offline: false, problem: null });
  });

  test("says no longer than a number does that there is no network", () => {
    const lost = { ...state("phone, offline"), problem: { type: "NoConnectionException" } };
    expect(reach(lost, { type: "wake" })[0]).toMatchObject({ offline: false, problem: null });
    const other = { ...lost, problem: { type: "ValidateError" } };
    expect(reach(other, { type: "wake" })[0].problem).toBe(other.problem);
  });

  test("that is typed while a resend is under way is checked after it", () => {
    const [held, none] = reach(state("code, resending"), submit("123456"));
    expect(none).toEqual([]);
    const [checking, effects] = reach(held, { type: "resent", requestId: "r1" });
    expect(checking.busy).toBe("checking");
    expect(effects.at(-1)).toEqual({ type: "check", requestId: "r1", code: "123456" });
  });
});

describe("a code of another length", () => {
  const submit = (code: string): Event => ({ type: "submit", code });
  const read = (view: ReturnType<typeof channel>, version: number): Event => {
    return { type: "channel", requestId: "r1", channel: view, version, now: NOW };
  };
  const call = channel({ type: "flashcall", settings: { code: { length: 4 } } });
  const moved: Event[] = [read(call, 4), read(channel(), 5)];
  const types = (effects: Effect[]) => effects.map(({ type }) => type);

  test("counts as long as its channel was one of the session's", () => {
    const [state6] = reach(state("waiting, first"), ...moved);
    expect(state6.lengths).toEqual([6, 4]);
    expect(types(reach(state6, submit("4821"))[1])).toEqual(["check"]);
    expect(types(reach(state6, submit("12 34 56"))[1])).toEqual(["check"]);
    expect(reach(state6, submit("48211"))[0].problem?.type).toBe("ValidateError");
    expect(reach(state("code"), submit("4821"))[0].problem?.type).toBe("ValidateError");
  });

  test("counts after a reload, and not in the next session", () => {
    const [state6, effects] = reach(state("waiting, first"), ...moved);
    const saved = { requestId: "r1", recipient: "+79001234567", lengths: [6, 4] };
    expect(effects).toContainEqual({ type: "save", saved });
    const [resumed] = reach(state("loading"), { type: "start", saved }, read(channel(), 6));
    expect(resumed.lengths).toEqual([6, 4]);
    expect(reach(state6, { type: "changeNumber" })[0].lengths).toEqual([]);
  });

  test("is not expected of a channel without one", () => {
    const push = channel({ type: "sim_push", codeType: "codeless", settings: {} });
    expect(reach(state("code"), read(push, 4))[0].lengths).toEqual([6]);
    const mute = channel({ settings: {} });
    expect(reach(state("waiting, first"), read(mute, 4))[0].lengths).toEqual([6]);
  });
});

describe("a channel that ends", () => {
  const sms = { action: "channel", type: "sms", label: "SMS" } as const;
  const restart = { action: "restart", type: "sim_push", label: "SIM push" } as const;
  const END = "2026-03-01T09:05:00Z";
  const ask = { expiresAt: END, next: restart, another: sms };
  const next = (payload: ChannelPayload, now: number, skewMs = 0) => {
    const push = channel({ type: "sim_push", codeType: "codeless", payload });
    const refused: Event = {
      type: "refused",
      requestId: "r1",
      failure: FAILURES.ended,
      version: 4,
      now,
    };
    const [ended] = reach({ ...state("codeless"), channel: push, skewMs }, refused);
    expect(ended.step).toBe("ended");
    return ended.channel?.payload.next;
  };

  test("before its time was declined, and is not asked again", () => {
    expect(next(ask, NOW)).toEqual(sms);
    expect(next({ next: restart, another: sms }, NOW)).toEqual(sms);
  });

  test("in its time may be asked again, whatever the page's clock says", () => {
    const end = Date.parse(END);
    expect(next(ask, end)).toEqual(restart);
    expect(next(ask, end - 500)).toEqual(restart);
    expect(next(ask, end - 60_000, 60_000)).toEqual(restart);
    expect(next(ask, end + 60_000, -120_000)).toEqual(sms);
  });

  test("is started again where nobody tells of another", () => {
    expect(next({ ...ask, another: null }, NOW)).toEqual(restart);
    expect(next({ expiresAt: END, next: restart }, NOW)).toEqual(restart);
  });
});

describe("a resend", () => {
  const failed = (failure: keyof typeof FAILURES): Event => ({
    type: "resendFailed",
    requestId: "r1",
    failure: FAILURES[failure],
    now: NOW,
  });

  test("that came too early says when it may come", () => {
    const early = { ...state("code, resending"), skewMs: 1000 };
    const [refused] = reach(early, failed("cooldown"));
    expect(refused.channel?.payload.resendAt).toBe("2026-03-01T09:00:13.000Z");
    expect(refused.problem).toEqual({ type: "RestartCooldownActiveException", retryAfter: 12 });
  });

  test("puts the message on its way unless its view has come already", () => {
    const resent: Event = { type: "resent", requestId: "r1" };
    expect(reach(state("code, resending"), resent)[0].step).toBe("waiting");
    expect(reach({ ...state("code, resending"), version: 5 }, resent)[0].step).toBe("code");
  });

  test("tells the page which way was asked for", () => {
    const resent: Event = { type: "resent", requestId: "r1" };
    const [, effects] = reach(state("codeless, resending"), resent);
    expect(detail(effects)).toEqual({ requestId: "r1", next: true });
  });

  test("of another way that does not exist leaves the session where it is", () => {
    const other = { ...state("ended, resending"), asked: { next: true, version: 4 } };
    expect(reach(other, failed("noChannels"))[0].step).toBe("ended");
    expect(reach(state("ended, resending"), failed("noChannels"))[0].step).toBe("over");
  });
});

describe("a send", () => {
  const refused = (failure: keyof typeof FAILURES, run = 1): Event => ({
    type: "sendFailed",
    run,
    failure: FAILURES[failure],
  });

  test("that needs a captcha after all reads which one, solves it, and goes on", () => {
    const [asking, load] = reach(state("phone, sending"), refused("captcha"));
    expect(load).toEqual([{ type: "load" }]);
    const [solving, captcha] = reach(asking, { type: "widget", widget: WIDGET });
    expect(captcha).toEqual([{ type: "captcha", run: 1, widget: WIDGET }]);
    const [sending, effects] = reach(solving, { type: "solved", run: 1, token: "t" });
    expect(effects).toEqual([{ type: "send", run: 1, phone: "8900", token: "t" }]);
    const [back] = reach(sending, refused("captcha"));
    expect(back).toMatchObject({ step: "phone", busy: null, problem: { field: "captcha" } });
  });

  test("begins with the captcha where one is required", () => {
    const widget = { ...WIDGET, captchaIsRequired: true };
    const [solving, effects] = reach({ ...state("phone"), widget }, EVENTS.send as Event);
    expect(solving.captcha).toBe(true);
    expect(effects).toEqual([{ type: "captcha", run: 1, widget }]);
  });

  test("names the field that is wrong", () => {
    const body = { ...FAILURES.invalid, fields: { captchaToken: "at most 8192 characters" } };
    const [captcha] = reach(state("phone, proven"), { type: "sendFailed", run: 1, failure: body });
    expect(captcha.problem?.field).toBe("captcha");
    expect(reach(state("phone, sending"), refused("noChannels"))[0].problem?.field).toBe(
      "recipient",
    );
    expect(reach(state("phone, sending"), refused("rate"))[0].problem).toEqual({
      type: "RateLimitException",
      retryAfter: 40,
    });
  });

  test("that comes through after the person turned away is cancelled", () => {
    const sent = EVENTS.sent as Event;
    const [, effects] = reach(state("phone, sending"), { type: "changeNumber" }, sent);
    expect(effects).toEqual([{ type: "cancel", requestId: "r1" }]);
  });

  test("goes on while the form is moved, and its answer is adopted", () => {
    const [moved, effects] = reach(state("phone, sending"), { type: "stop" });
    expect(effects).toEqual([{ type: "abort" }]);
    expect(moved.busy).toBe("sending");
    const [sent, rest] = reach(moved, { type: "start", saved: null }, EVENTS.sent as Event);
    expect(sent).toMatchObject({ step: "waiting", requestId: "r1", busy: null });
    expect(rest.map(({ type }) => type)).toEqual(["save", "follow", "emit"]);
  });

  test.each(["phone, captcha", "phone, asking"])(
    "that has not gone out yet is given up with the form: %s",
    (name) => {
      const [left] = reach(state(name), { type: "stop" });
      expect(left).toMatchObject({ step: "phone", busy: null, captcha: false });
      const late: Event = { type: "solved", run: 1, token: "t" };
      expect(reduce(left, late)).toEqual([left, []]);
    },
  );

  test("keeps what was typed for the next try", () => {
    const [back] = reach(state("code"), { type: "changeNumber" });
    expect(back).toMatchObject({ step: "phone", requestId: null, recipient: null, channel: null });
    const [typed] = reach(state("phone"), EVENTS.send as Event, refused("lost"));
    expect(typed.typedPhone).toBe("8 900");
  });
});

describe("a reload", () => {
  const saved = { requestId: "r1", recipient: "+79001234567" };

  test("goes on where the session is", () => {
    const [resumed, effects] = reach(state("loading"), { type: "start", saved });
    expect(effects).toEqual([{ type: "load" }, { type: "follow", requestId: "r1" }]);
    const [drawn] = reach(resumed, EVENTS["channel sent"] as Event);
    expect(drawn).toMatchObject({ step: "code", resumed: false, recipient: "+79001234567" });
  });

  test("drops a session that is over without a word", () => {
    const closed: Event = { ...(EVENTS["refused closed"] as Event & { type: "refused" }) };
    const [phone, effects] = reach(
      state("loading"),
      { type: "start", saved },
      EVENTS.widget as Event,
      closed,
    );
    expect(phone).toMatchObject({ step: "phone", problem: null, requestId: null });
    expect(effects.some(({ type }) => type === "emit")).toBe(false);
    expect(effects).toContainEqual({ type: "save", saved: null });
  });

  test("of an expired message still offers to send it again", () => {
    const [ended] = reach(state("loading, resumed"), EVENTS["refused ended"] as Event);
    expect(ended).toMatchObject({ step: "ended", resumed: false, channel: null });
  });
});
