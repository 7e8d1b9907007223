/** Random walks over the machine in a world that answers late, wrongly, or not at all. */

import { expect, test } from "vitest";
import type { Channel } from "../src/api";
import { reduce } from "../src/machine";
import { type Effect, type Event, INITIAL, type Memory } from "../src/state";
import { channel, FAILURES, NOW, WIDGET } from "./states";

const LIVE = ["waiting", "code", "codeless", "ended"];
const WALKS = 60;
const STEPS = 400;

function chance(seed: number): () => number {
  let x = seed * 2_654_435_761 + 1;
  return () => {
    x = (x + 0x6d2b79f5) | 0;
    let t = Math.imul(x ^ (x >>> 15), 1 | x);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What the controller and the service would have under way. */
class World {
  state: Memory = INITIAL;
  load = false;
  captcha: number | null = null;
  send: number | null = null;
  following: string | null = null;
  checks: { requestId: string; code: string }[] = [];
  resend: string | null = null;
  readonly cancelled = new Set<string>();
  readonly begun = new Set<string>();
  /** Codes that were refused for the message that is current. */
  refused = new Set<string>();
  submitted = new Set<string>();
  late: Event[] = [];
  stopped = true;
  session = 0;
  version = 0;

  constructor(readonly random: () => number) {}

  pick<T>(of: readonly T[]): T {
    return of[Math.floor(this.random() * of.length)] as T;
  }

  apply(event: Event): void {
    const [next, effects] = reduce(this.state, event);
    this.state = next;
    for (const effect of effects) this.perform(effect);
  }

  perform(effect: Effect): void {
    switch (effect.type) {
      case "load":
        this.load = true;
        break;
      case "captcha":
        expect(this.captcha).toBeNull();
        this.captcha = effect.run;
        break;
      case "send":
        expect(this.send, "one send at a time").toBeNull();
        this.send = effect.run;
        break;
      case "follow":
        this.following = this.stopped ? null : effect.requestId;
        break;
      case "unfollow":
        this.following = null;
        break;
      case "check":
        expect(this.checks, "one check at a time").toEqual([]);
        expect(this.refused.has(effect.code), "a refused code costs no second attempt").toBe(false);
        this.checks.push(effect);
        break;
      case "resend":
        expect(this.resend).toBeNull();
        this.resend = effect.requestId;
        break;
      case "cancel":
        this.cancelled.add(effect.requestId);
        break;
      case "abort":
        this.giveUp();
        break;
      case "emit":
        for (const code of this.submitted)
          expect(JSON.stringify(effect.detail)).not.toContain(code);
        break;
      case "look":
      case "save":
        break;
    }
  }

  /** What is given up may come all the same, late. */
  giveUp(): void {
    // A send is not cut; nobody waits for it once the person has turned away.
    if (this.send !== null && this.state.busy !== "sending") {
      this.late.push(this.sent(this.send));
      this.send = null;
    }
    for (const { requestId } of this.checks) this.late.push({ type: "checked", requestId });
    if (this.captcha !== null) this.late.push({ type: "solved", run: this.captcha, token: "late" });
    if (this.following) this.late.push(this.view(this.following));
    this.load = false;
    this.captcha = this.following = this.resend = null;
    this.checks = [];
  }

  sent(run: number): Event {
    this.session += 1;
    const requestId = `session-${this.session}`;
    this.begun.add(requestId);
    return { type: "sent", run, requestId, recipient: "+79001234567" };
  }

  view(requestId: string, change: Partial<Channel> = {}): Event {
    this.version += 1;
    const view = channel({
      type: this.pick(["sms", "voice", "sim_push"]),
      status: this.pick(["wait", "sent", "sent", "sent"]),
      ...change,
    });
    if (view.type === "sim_push") view.codeType = "codeless";
    return { type: "channel", requestId, channel: view, version: this.version, now: NOW };
  }

  /** Something that the service may answer now; `null` when nothing is asked of it. */
  answer(): Event | null {
    const failure = this.pick(Object.values(FAILURES));
    const good = this.random() < 0.6;
    const asked: (() => Event)[] = [];
    if (this.load)
      asked.push(() => {
        this.load = false;
        const widget = { ...WIDGET, captchaIsRequired: this.random() < 0.3 };
        return good ? { type: "widget", widget } : { type: "widgetFailed", failure };
      });
    const { captcha, send, following, resend } = this;
    if (captcha !== null)
      asked.push(() => {
        this.captcha = null;
        return good
          ? { type: "solved", run: captcha, token: "t" }
          : { type: "unsolved", run: captcha };
      });
    if (send !== null)
      asked.push(() => {
        this.send = null;
        return good ? this.sent(send) : { type: "sendFailed", run: send, failure };
      });
    if (this.checks.length)
      asked.push(() => {
        const { requestId, code } = this.checks.pop() ?? { requestId: "", code: "" };
        if (this.random() < 0.1) return { type: "checked", requestId };
        if (failure.type === "InvalidCodeException" && this.state.step === "code") {
          this.refused.add(code);
        }
        return { type: "checkFailed", requestId, failure };
      });
    if (resend !== null)
      asked.push(() => {
        this.resend = null;
        if (!good) return { type: "resendFailed", requestId: resend, failure, now: NOW };
        this.refused.clear();
        return { type: "resent", requestId: resend };
      });
    if (following)
      asked.push(() => {
        if (this.random() < 0.04) return this.view(following, { status: "confirmed" });
        if (this.random() < 0.12) {
          const { ended } = FAILURES;
          const refusal = { requestId: following, failure: good ? ended : failure };
          return { type: "refused", ...refusal, version: ++this.version, now: NOW };
        }
        this.refused.clear();
        return this.view(following);
      });
    return asked.length ? this.pick(asked)() : null;
  }

  person(): Event {
    const code = this.pick(["100001", "200002", "300003"]);
    return this.pick<() => Event>([
      () => ({ type: "send", phone: "8 900 123-45-67" }),
      () => {
        this.submitted.add(code);
        return { type: "submit", code };
      },
      () => ({ type: "submit", code }),
      () => ({ type: "resend", next: this.random() < 0.5 }),
      () => ({ type: "changeNumber" }),
      () => ({ type: "retry" }),
      () => ({ type: "wake" }),
      () => ({ type: "link", up: this.random() < 0.5 }),
    ])();
  }

  step(): void {
    const dice = this.random();
    const { send } = this;
    if (this.stopped && send !== null && dice < 0.3) {
      this.send = null;
      const failure = this.pick([FAILURES.lost, FAILURES.rate, FAILURES.closed]);
      return this.apply(dice < 0.2 ? this.sent(send) : { type: "sendFailed", run: send, failure });
    }
    if (this.stopped) {
      this.stopped = false;
      const requestId = this.pick([...this.begun, "unknown"]);
      const saved = this.random() < 0.3 ? { requestId, recipient: "+79001234567" } : null;
      return this.apply({ type: "start", saved });
    }
    const late = dice < 0.1 ? this.late.shift() : undefined;
    if (late) return this.apply(late);
    if (dice < 0.13) {
      this.stopped = true;
      return this.apply({ type: "stop" });
    }
    this.apply((dice < 0.6 && this.answer()) || this.person());
  }

  check(): void {
    const { step, busy, captcha, requestId, resumed } = this.state;
    const about = JSON.stringify(this.state);
    if (this.stopped) {
      // Only what was sent goes on: it is known where it leads.
      expect(busy, about).toBe(this.send === null ? null : "sending");
      expect(captcha, about).toBe(false);
      expect(this.following).toBeNull();
      return;
    }
    // Whatever the form waits for is under way.
    if (busy === "sending") {
      const waits = captcha ? this.captcha !== null || this.load : this.send !== null;
      expect(waits, about).toBe(true);
    }
    if (busy === "checking") expect(this.checks.length, about).toBe(1);
    if (busy === "resending") expect(this.resend, about).not.toBeNull();
    if (step === "loading") expect(this.load || this.following !== null, about).toBe(true);
    // A session that can still be confirmed is followed, and one that is looked at again; no other.
    const follows = LIVE.includes(step) || resumed;
    expect(this.following, about).toBe(follows ? requestId : null);
    this.checkWayOn(about);
  }

  /** No step is a dead end: something that the person may do leads on, or an answer is due. */
  checkWayOn(about: string): void {
    const { step, busy } = this.state;
    if (busy || step === "loading" || step === "verified") return;
    const ways: Event[] = [
      { type: "send", phone: "8900" },
      { type: "changeNumber" },
      { type: "retry" },
    ];
    const led = ways.some((event) => reduce(this.state, event)[0].step !== step);
    const sends = reduce(this.state, { type: "send", phone: "8900" })[0].busy === "sending";
    expect(led || sends, about).toBe(true);
  }
}

test.each(Array.from({ length: WALKS }, (_, seed) => seed))("walk %i finds no dead end", (seed) => {
  const world = new World(chance(seed + 1));
  for (let n = 0; n < STEPS; n++) {
    world.step();
    world.check();
  }
  expect(world.begun.size, "a walk that begins nothing shows nothing").toBeGreaterThan(0);
});

test("walks reach every step", () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 20; seed++) {
    const world = new World(chance(seed));
    for (let n = 0; n < STEPS; n++) {
      world.step();
      seen.add(world.state.busy ? `${world.state.step}:${world.state.busy}` : world.state.step);
    }
  }
  const steps = ["loading", "phone", ...LIVE, "verified", "over", "unavailable"];
  const busy = [
    "phone:sending",
    ...LIVE.flatMap((step) => [`${step}:checking`, `${step}:resending`]),
  ];
  expect([...steps, ...busy].filter((step) => !seen.has(step))).toEqual([]);
});
