import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { sha256, solve } from "../src/altcha";
import type { WidgetInfo } from "../src/api";
import { solveCaptcha } from "../src/captcha";
import { FakeTiming, until } from "./fakes";
import { WIDGET } from "./states";

const hex = (words: Int32Array) =>
  [...words].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
const reference = (text: string) => createHash("sha256").update(text).digest("hex");

describe("our SHA-256", () => {
  test("is the one of the standard, at every length around the blocks", () => {
    for (let length = 0; length < 260; length++) {
      const text = "0123456789abcdef?expires=&".repeat(10).slice(0, length);
      expect(hex(sha256(text))).toBe(reference(text));
    }
  });

  test("has constants that do not hang on the last bits of a root", () => {
    // Engines may differ in the last places of a root: none of them may reach the 32 bits we take.
    const primes = Array.from({ length: 312 }, (_, n) => n).filter(
      (n) => n > 1 && !Array.from({ length: n }, (_, d) => d).some((d) => d > 1 && n % d === 0),
    );
    for (const root of [...primes.map(Math.cbrt), ...primes.slice(0, 8).map(Math.sqrt)]) {
      const scaled = (root % 1) * 2 ** 32;
      const slack = root * 2 ** 32 * Number.EPSILON * 8;
      expect(Math.floor(scaled - slack)).toBe(Math.floor(scaled + slack));
    }
  });
});

function challengeOf(number: number, change = {}) {
  const salt = `${"5a".repeat(16)}?expires=1772355600&`;
  const challenge = reference(salt + number);
  return { algorithm: "SHA-256", challenge, maxnumber: 1000, salt, signature: "f00d", ...change };
}

describe("the proof of work", () => {
  const pace = { now: () => 0, breathe: async () => {}, over: () => false };

  test.each([0, 1, 999, 1000])("finds %i, and hands the rest back as it was", async (number) => {
    const { maxnumber, ...challenge } = challengeOf(number);
    const token = JSON.parse(atob(await solve({ ...challenge, maxnumber }, pace)));
    expect(token).toEqual({ ...challenge, number });
  });

  test.each([
    ["has no solution", challengeOf(1001)],
    ["asks for another hash", challengeOf(5, { algorithm: "SHA-512" })],
    ["names no hash", challengeOf(5, { challenge: "" })],
    ["is cut short", challengeOf(5, { challenge: challengeOf(5).challenge.slice(0, 8) })],
  ])("rejects a challenge that %s", async (_, challenge) => {
    await expect(solve(challenge, pace)).rejects.toThrow();
  });

  test("lets the page breathe, and ends when nobody waits any more", async () => {
    let clock = 0;
    let breaths = 0;
    const tired = {
      now: () => (clock += 20),
      breathe: async () => void breaths++,
      over: () => breaths === 2,
    };
    await expect(solve(challengeOf(5, { challenge: "00".repeat(32) }), tired)).rejects.toThrow();
    expect(breaths).toBe(2);
  });
});

interface FakeElement {
  tag: string;
  src: string;
  nonce: string;
  onerror: () => void;
  ownerDocument: FakePage;
  append(child: FakeElement): void;
  remove(): void;
}

/** A page whose scripts never run: the test says what they bring. */
class FakePage {
  scripts: FakeElement[] = [];
  boxes: FakeElement[] = [];
  readonly defaultView: Record<string, unknown> = {};
  readonly head = { append: (script: FakeElement) => void this.scripts.push(script) };
  readonly host = this.createElement("host");

  createElement(tag: string): FakeElement {
    const element: FakeElement = {
      tag,
      src: "",
      nonce: "",
      onerror: () => {},
      ownerDocument: this,
      append: (child) => void this.boxes.push(child),
      remove: () => {
        this.scripts = this.scripts.filter((other) => other !== element);
        this.boxes = this.boxes.filter((other) => other !== element);
      },
    };
    return element;
  }
}

interface Wish {
  sitekey: string;
  action?: string;
  callback(token: string): void;
  "error-callback"(): unknown;
}

describe("a vendor's captcha", () => {
  function solving(change: Partial<WidgetInfo>, host: FakeElement | null, page: FakePage) {
    const given = new AbortController();
    const timing = new FakeTiming();
    const around = {
      host: (host ?? undefined) as unknown as HTMLElement | undefined,
      nonce: "n0nce",
      locale: "ru-RU",
      timing,
      call: async () => null,
    };
    const widget = { ...WIDGET, captchaSiteKey: "site-key", ...change };
    const token = solveCaptcha(widget, around, given.signal);
    token.catch(() => {});
    return { token, given, timing, page };
  }

  const drawn = (captchaProvider: string, page = new FakePage()) =>
    solving({ captchaProvider }, page.host, page);

  /** The script has come, and draws what it is asked to. */
  function arrives(page: FakePage, name: string): Wish[] {
    const wishes: Wish[] = [];
    page.defaultView[name] = { render: (_: unknown, wish: Wish) => wishes.push(wish) };
    return wishes;
  }

  test.each([
    ["google", "grecaptcha", "https://www.google.com/recaptcha/api.js?render=explicit&hl=ru"],
    ["yandex", "smartCaptcha", "https://smartcaptcha.yandexcloud.net/captcha.js"],
    [
      "cloudflare",
      "turnstile",
      "https://challenges.cloudflare.com/turnstile/v0/api.js?render=explicit",
    ],
  ])("of %s is loaded with the nonce, drawn, and taken away", async (provider, name, address) => {
    const { token, timing, page } = drawn(provider);
    await until(() => timing.pausing);
    expect(page.scripts.map(({ src, nonce }) => [src, nonce])).toEqual([[address, "n0nce"]]);
    const wishes = arrives(page, name);
    timing.advance(50);
    await until(() => wishes.length);
    expect(wishes[0]?.sitekey).toBe("site-key");
    expect(page.boxes).toHaveLength(1);
    wishes[0]?.callback("token");
    expect(await token).toBe("token");
    expect(page.boxes).toHaveLength(0);
  });

  test("of Google that nobody sees needs no place, and gives a token for its action", async () => {
    const page = new FakePage();
    const asked: unknown[] = [];
    const scored = { captchaProvider: "google", captchaVersion: 3, captchaAction: "login" };
    const { token, timing } = solving(scored, page.host, page);
    await until(() => timing.pausing);
    expect(page.scripts[0]?.src).toContain("api.js?render=site-key&");
    page.defaultView.grecaptcha = {
      execute: async (...of: unknown[]) => {
        asked.push(of);
        return "score";
      },
    };
    timing.advance(50);
    expect(await token).toBe("score");
    expect(asked).toEqual([["site-key", { action: "login" }]]);
    expect(page.boxes).toHaveLength(0);
  });

  test("is loaded once for two forms and for a second try", async () => {
    const page = new FakePage();
    const first = drawn("yandex", page);
    const second = drawn("yandex", page);
    await until(() => first.timing.pausing && second.timing.pausing);
    expect(page.scripts).toHaveLength(1);
  });

  test("that is not let in is no token, and is loaded again the next time", async () => {
    const page = new FakePage();
    const { token, timing } = drawn("google", page);
    await until(() => timing.pausing);
    page.scripts[0]?.onerror();
    timing.advance(50);
    await expect(token).rejects.toThrow("grecaptcha");
    expect(page.scripts).toHaveLength(0);
    drawn("google", page);
    await until(() => page.scripts.length === 1);
  });

  test("that never comes is given up", async () => {
    const { token, timing } = drawn("cloudflare");
    for (let n = 0; n < 3; n++) {
      await until(() => timing.pausing);
      timing.advance(5_000);
    }
    await expect(token).rejects.toThrow("turnstile");
  });

  test("that reports an error is no token", async () => {
    const { token, timing, page } = drawn("google");
    const wishes = arrives(page, "grecaptcha");
    await until(() => timing.pausing || wishes.length);
    timing.advance(50);
    await until(() => wishes.length);
    wishes[0]?.["error-callback"]();
    await expect(token).rejects.toThrow("not solved");
    expect(page.boxes).toHaveLength(0);
  });

  test("of Yandex reports its errors in another way, and is ended in its own words", async () => {
    const { token, timing, page } = drawn("yandex");
    const heard: Record<string, () => void> = {};
    const ended: unknown[] = [];
    await until(() => timing.pausing);
    page.defaultView.smartCaptcha = {
      render: () => 7,
      subscribe: (id: number, event: string, call: () => void) => {
        if (id === 7) heard[event] = call;
      },
      destroy: (id: number) => ended.push(id),
    };
    timing.advance(50);
    await until(() => heard["javascript-error"]);
    heard["network-error"]?.();
    await expect(token).rejects.toThrow("not solved");
    expect(ended).toEqual([7]);
  });

  test("of Cloudflare gets the action, hears that errors are seen to, and is ended", async () => {
    const page = new FakePage();
    const ended: unknown[] = [];
    const named = { captchaProvider: "cloudflare", captchaAction: "login" };
    const { token, timing } = solving(named, page.host, page);
    let wish: Wish | undefined;
    await until(() => timing.pausing);
    page.defaultView.turnstile = {
      render: (_: unknown, given: Wish) => {
        wish = given;
        return "cf-1";
      },
      remove: (id: string) => ended.push(id),
    };
    timing.advance(50);
    await until(() => wish);
    expect(wish?.action).toBe("login");
    expect(wish?.["error-callback"]()).toBe(true);
    await expect(token).rejects.toThrow("not solved");
    expect(ended).toEqual(["cf-1"]);
  });

  test("of Google is not asked before it knows its keys", async () => {
    const page = new FakePage();
    const scored = { captchaProvider: "google", captchaVersion: 3 };
    const { token, timing } = solving(scored, page.host, page);
    let known: (() => void) | undefined;
    await until(() => timing.pausing);
    page.defaultView.grecaptcha = {
      ready: (call: () => void) => {
        known = call;
      },
      execute: async () => (known ? "score" : Promise.reject(new Error("too early"))),
    };
    timing.advance(50);
    await until(() => known);
    known?.();
    expect(await token).toBe("score");
  });

  test("is taken away when the person turns to something else", async () => {
    const { token, given, page } = drawn("yandex");
    arrives(page, "smartCaptcha");
    await until(() => page.boxes.length || page.scripts.length);
    given.abort();
    await expect(token).rejects.toBeDefined();
    expect(page.boxes).toHaveLength(0);
  });

  test.each([
    ["of an unknown vendor", "hcaptcha", true],
    ["without a place to be drawn", "google", false],
  ])("%s is no token", async (_, captchaProvider, placed) => {
    const page = new FakePage();
    const { token } = solving({ captchaProvider }, placed ? page.host : null, page);
    await expect(token).rejects.toThrow();
    expect(page.scripts).toHaveLength(0);
  });
});
