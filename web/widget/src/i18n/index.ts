/** The words of the form: which language, and how a sentence is filled in. */

/** What stands on the screen: several steps of the machine may look alike. */
export type View = "phone" | "code" | "codeless" | "ended" | "verified" | "over" | "unavailable";

/** What is asked for, what is being done, and what to do, of one way to reach a person. */
export type Way = readonly [action: string, doing: string, hint: string];

/**
 * A language. `{name}` is filled in: `{app}` the channel's name, `{n}` a number, `{time}` a time or
 * a duration, `{label}` and `{action}` the text of a button, `{doing}` the second part of a way.
 * A part of a way that is empty is that of `voice`.
 */
export interface Texts {
  /** Headings. */
  titles: Record<View, string>;
  /** Labels and buttons. */
  phone: string;
  country: string;
  code: string;
  go: string;
  change: string;
  another: string;
  restart: string;
  retry: string;
  open: string;
  scan: string;
  /** The button that waits, what is said when it is ready, and what stands beside the code. */
  later: string;
  ready: string;
  left: string;
  until: string;
  /** The same channel once more, another one, what is going on, and that it is another way now. */
  again: string;
  instead: string;
  doing: string;
  changed: string;
  /** By the type of the channel; `app` is any messenger, `other` what has no sentences of its own. */
  ways: Record<"sms" | "voice" | "flashcall" | "sim_push" | "app" | "other", Way>;
  errors: Record<ErrorText, string>;
}

/** Each sentence says what is wrong and what to do next. */
export type ErrorText =
  | "phone"
  | "reach"
  | "noWay"
  | "ended"
  | "declined"
  | "tries"
  | "late"
  | "short"
  | "wrong"
  | "robot"
  | "codeless"
  | "rate"
  | "denied"
  | "busy"
  | "net"
  | "other";

type Source = Texts | (() => Promise<Texts>);

const known: Record<string, Source> = {};

/** Adds a language, or replaces one; a function is called when it is first needed. */
export function registerLocale(language: string, texts: Source): void {
  known[tagOf(language)] = texts;
}

/** The key of a tag's texts: its own, else its language's. */
const keyOf = (tag: string): string => (tag in known ? tag : (tag.split("-")[0] ?? ""));

/** A tag as the standard has it, of one as pages write it: `RU`, `ru_RU`; nothing if it is none. */
function tagOf(written: string | null | undefined): string {
  try {
    return `${new Intl.Locale(`${written}`.replace("_", "-"))}`;
  } catch {
    return "";
  }
}

/** The first of the languages that there are texts for, or English. */
export const chosen = (wanted: readonly (string | null | undefined)[]): string =>
  wanted.map(tagOf).find((tag) => keyOf(tag) in known) ?? "en";

/** The texts for a tag; rejects when they cannot be fetched. */
export async function textsOf(tag: string): Promise<Texts> {
  const key = keyOf(tag);
  const source = known[key] as Source;
  const texts = typeof source === "function" ? await source() : source;
  known[key] = texts;
  return texts;
}

type Values = Record<string, string | number>;

/** A sentence with its blanks filled in, its first letter a capital. */
export function fill(text: string, values: Values = {}): string {
  const full = filled(text, values);
  return full.charAt(0).toUpperCase() + full.slice(1);
}

const filled = (text: string, values: Values): string =>
  text.replace(/\{(\w+)\}/g, (_, name: string) => `${values[name] ?? ""}`);

const MESSENGERS = /^(telegramcode|whatsapp|viber|vk)$/;

/** The sentences about a channel's type; nothing for one that has none of its own. */
export function wayOf(texts: Texts, type: string): Way | undefined {
  return texts.ways[(MESSENGERS.test(type) ? "app" : type) as keyof Texts["ways"]];
}

/** A part of the sentences about a channel with its blanks filled in, not yet as a sentence. */
export function about(
  texts: Texts,
  part: 0 | 1 | 2,
  { type, label }: { type: string; label: string },
  n: string | number = "",
): string {
  const way = wayOf(texts, type) ?? texts.ways.other;
  const text = way[part] || texts.ways.voice[part];
  return filled(text, { app: label, n });
}

/** A duration in words, rounded up: seconds up to a minute and a half, then minutes, then hours. */
export function duration(locale: string, seconds: number): string {
  let time = seconds;
  let unit = "second";
  for (const next of ["minute", "hour"]) {
    if (time > 90) {
      time /= 60;
      unit = next;
    }
  }
  return Math.ceil(time).toLocaleString(locale, { style: "unit", unit, unitDisplay: "long" });
}
