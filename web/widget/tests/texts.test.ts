import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { NO_CONNECTION } from "../src/api";
import type { State } from "../src/controller";
import { en } from "../src/i18n/en";
import {
  about,
  chosen,
  duration,
  fill,
  registerLocale,
  type Texts,
  textsOf,
} from "../src/i18n/index";
import { ru } from "../src/i18n/ru";
import { explained } from "../src/problems";
import { INITIAL } from "../src/state";

const LANGUAGES: [string, Texts][] = [
  ["en", en],
  ["ru", ru],
];

const NOW = Date.parse("2026-03-01T09:00:00Z");
const sms = { type: "sms", label: "SMS" };
const CHANNEL = {
  ...sms,
  status: "sent",
  codeType: "code",
  payload: {},
  settings: { code: { length: 6 } },
  remainingCodeAttempts: 2,
} as const;

const state = (change: Partial<State>): State => ({
  ...INITIAL,
  step: "code",
  lengths: [6],
  ...change,
});
const of = (texts: Texts, locale: string, type: string, change: Partial<State> = {}) =>
  explained(texts, locale, state({ channel: CHANNEL, problem: { type }, ...change }), NOW);

/** Every error type of the service, from its reference. */
const DOCUMENTED = [
  ...readFileSync(new URL("../../../docs/reference/errors.md", import.meta.url), "utf8").matchAll(
    /^### (\w+)$/gm,
  ),
].map(([, type]) => type as string);

/** What a person can do nothing special about: "something failed, try again". */
const GENERAL = [
  "ChannelChangedException",
  "InternalServerErrorException",
  "LongPollingTimeoutException",
  "MethodNotAllowedException",
  "NotFoundException",
  "ResendChannelException",
  "SessionAlreadyConfirmedException",
  "ValidateError",
];

describe.each(LANGUAGES)("in %s", (locale, texts) => {
  test("every error has a sentence", () => {
    expect(DOCUMENTED.length).toBeGreaterThan(20);
    for (const type of [...DOCUMENTED, NO_CONNECTION, "SomethingNew"]) {
      const sentence = of(texts, locale, type, { problem: { type, retryAfter: 40 } });
      expect(sentence, type).toMatch(/^\p{Lu}[^{}]*\.$/u);
    }
  });

  test("only those have the general one that a person can do nothing special about", () => {
    const general = [...DOCUMENTED, NO_CONNECTION].filter(
      (type) => of(texts, locale, type) === texts.errors.other,
    );
    expect(general.sort()).toEqual(GENERAL);
  });

  test("no sentence has a blank that nothing fills", () => {
    const known = /\{(app|n|time|label|action|doing)\}/g;
    for (const text of leaves(texts)) expect(text.replace(known, "")).not.toMatch(/[{}]/);
  });
});

function leaves(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return Object.values(value as object).flatMap(leaves);
}

const keys = (value: object): string[] =>
  Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === "string" ? [key] : keys(inner).map((each) => `${key}.${each}`),
  );

test("all languages say the same things", () => {
  expect(keys(ru)).toEqual(keys(en));
});

test("what is said depends on where the person is", () => {
  const none = "NoAvailableChannelsException";
  expect(of(en, "en", none, { step: "phone" })).toBe(en.errors.reach);
  expect(of(en, "en", none, { step: "code" })).toBe(en.errors.noWay);
  expect(of(en, "en", none, { step: "over" })).toBe(en.errors.reach);
  expect(of(en, "en", "", { step: "ended", problem: null })).toBe(en.errors.ended);
  const push = { ...CHANNEL, codeType: "codeless" } as const;
  expect(of(en, "en", "", { step: "ended", channel: push })).toBe(en.errors.declined);
  const bad = { type: "ValidateError" };
  expect(of(en, "en", "", { problem: { ...bad, field: "recipient" } })).toBe(en.errors.phone);
  expect(of(en, "en", "", { problem: { ...bad, field: "code" } })).toBe("Enter 6 digits.");
  expect(of(en, "en", "", { problem: null })).toBe("");
});

test("the end of a verification says why there is none", () => {
  const over = (change: object) =>
    of(en, "en", "NoAvailableChannelsException", {
      step: "over",
      channel: { ...CHANNEL, ...change },
    });
  const until = (expiresAt: string) => ({ payload: { expiresAt } });
  expect(over({ status: "wait" })).toBe(en.errors.reach);
  expect(over(until("2026-03-01T09:04:00Z"))).toBe(en.errors.reach);
  expect(over(until("2026-03-01T09:00:00Z"))).toBe(en.errors.late);
  // Answers travel, so the page's idea of the service's clock runs behind it.
  expect(over(until("2026-03-01T09:00:01Z"))).toBe(en.errors.late);
  expect(over(until("2026-03-01T09:00:03Z"))).toBe(en.errors.reach);
  expect(over({ codeType: "codeless", ...until("2026-03-01T09:04:00Z") })).toBe(en.errors.declined);
});

test("a wrong code comes with the attempts that are left, and patience with a time", () => {
  expect(of(en, "en", "InvalidCodeException")).toBe("Wrong code. Check it. Attempts left: 2.");
  const rate = { type: "RateLimitException" };
  expect(of(en, "en", "", { problem: { ...rate, retryAfter: 45 } })).toContain("45 seconds");
  expect(of(en, "en", "", { problem: { ...rate, retryAfter: 130 } })).toContain("3 minutes");
  expect(of(en, "en", "", { problem: { ...rate, retryAfter: 86_040 } })).toContain("24 hours");
});

test("a duration has the unit that people count it in, and is not too short", () => {
  const texts = [30, 90, 91, 5400, 5401, 86_400].map((seconds) => duration("ru", seconds));
  expect(texts).toEqual(["30 секунд", "90 секунд", "2 минуты", "90 минут", "2 часа", "24 часа"]);
  expect(duration("en", 86_040)).toBe("24 hours");
});

test("sentences are filled in and begin with a capital", () => {
  expect(fill(ru.changed, { doing: about(ru, 1, { type: "viber", label: "Viber" }) })).toBe(
    "Теперь пишем вам в Viber.",
  );
  expect(fill(ru.doing, { doing: "звоним вам" })).toBe("Звоним вам…");
  const call = { type: "flashcall", label: "Flash call" };
  expect(fill(en.instead, { action: about(en, 0, call) })).toBe("Call me instead");
  expect(about(en, 2, call, 4)).toContain("last 4 digits");
  expect(about(en, 2, { type: "new", label: "Pigeon" })).toContain("Pigeon");
});

test("a language is chosen by the first wish that can be met", async () => {
  registerLocale("en", en);
  registerLocale("ru", async () => ru);
  expect(chosen(["de", "ru-RU", "en"])).toBe("ru-RU");
  expect(chosen([null, undefined, "ja"])).toBe("en");
  expect(chosen(["RU", "en"])).toBe("ru");
  expect(chosen(["ru_RU", "en"])).toBe("ru-RU");
  expect(chosen(["en-", "not a tag", "ru"])).toBe("ru");
  expect(await textsOf("ru-RU")).toBe(ru);
  registerLocale("pt-BR", { ...en, go: "Continuar" });
  expect((await textsOf(chosen(["pt-BR"]))).go).toBe("Continuar");
});

test("the module can be imported where there is no browser", async () => {
  const { KaskadOtp } = await import("../src/define");
  expect(KaskadOtp.formAssociated).toBe(true);
});
