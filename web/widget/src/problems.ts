/** Which sentence tells a person what went wrong, and what to do next. */

import type { State } from "./controller";
import { duration, type ErrorText, fill, type Texts } from "./i18n/index";
import { isOver, lengthOf } from "./state";

/** By the words that a type and its field have, the first that fits. */
const SENTENCES: [words: RegExp, sentence: ErrorText][] = [
  [/^Validate.* code/, "short"],
  [/^Validate.* rec/, "phone"],
  [/^Attempts/, "tries"],
  [/^Session(Closed|Not)|Mismatch/, "late"],
  [/^InvalidCode/, "wrong"],
  [/Codeless/, "codeless"],
  [/^Captcha/, "robot"],
  [/Rate|Cooldown/, "rate"],
  [/^Widget|Unauth|Forbidden/, "denied"],
  [/^Service/, "busy"],
  [/^NoConn/, "net"],
];

/** Why a verification is over that nothing can be sent in any more. */
function lastWord(state: State, now: number): ErrorText {
  const { channel } = state;
  if (channel?.codeType === "codeless" && channel.status === "sent") return "declined";
  return isOver(state, now) ? "late" : "reach";
}

function sentenceOf(state: State, now: number): ErrorText | undefined {
  const { step, channel, problem } = state;
  if (step === "ended") return channel?.codeType === "codeless" ? "declined" : "ended";
  if (!problem) return undefined;
  const { type, field } = problem;
  if (/^NoAvail/.test(type)) {
    if (step === "phone") return "reach";
    return step === "over" ? lastWord(state, now) : "noWay";
  }
  return SENTENCES.find(([words]) => words.test(`${type} ${field}`))?.[1] ?? "other";
}

/** The sentence about the state's problem, by the service's clock; empty when there is none. */
export function explained(texts: Texts, locale: string, state: State, now: number): string {
  const sentence = sentenceOf(state, now);
  if (!sentence) return "";
  const { problem, channel } = state;
  const text = fill(texts.errors[sentence], {
    n: lengthOf(state),
    time: duration(locale, problem?.retryAfter ?? 30),
  });
  const left = sentence === "wrong" && channel?.remainingCodeAttempts;
  return left ? `${text} ${fill(texts.left, { n: left })}` : text;
}
