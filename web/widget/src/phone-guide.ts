/**
 * Writes a number as its country does while it is typed, and says how many digits it needs.
 *
 * It comes in a file of its own, with the numbering plans of all countries, when the field is first
 * used. It refuses nothing: the service knows better.
 */

import { ascii, plain } from "./digits";
import { h, say, set } from "./dom";
import { fill, type Texts } from "./i18n/index";
import { type Reading, read } from "./phone-format";

export interface Guided {
  input: HTMLInputElement;
  /** What the input is a part of: the hint stands below it. */
  field: Element;
  texts: Texts;
  /** The country of numbers without a code. */
  country(): string;
  /** An international number tells its country. */
  found(country: string): void;
}

const NUMBER = /^(?!00)[+\d\s().-]*$/;
const KEPT = /[^\d+]/g;

export function guide({ input, field, texts, country, found }: Guided): void {
  const hint = h("p", { id: "phone-hint", class: "soft", part: "hint" });
  field.after(hint);
  set(
    input,
    "aria-describedby",
    `${input.getAttribute("aria-describedby") ?? ""} phone-hint`.trim(),
  );

  function follow(event?: Event): void {
    const typed = plain(input.value);
    const reading = read(NUMBER.test(typed) ? typed : "", country());
    if (reading.text && !isCorrecting(event)) rewrite(input, reading.text);
    if (reading.country) found(reading.country);
    say(hint, adviceOn(texts, reading));
  }

  input.addEventListener("input", follow);
  follow();
}

/** To write a number anew under somebody who deletes would bring back what they take away. */
const isCorrecting = (event: Event | undefined): boolean =>
  event instanceof InputEvent && (event.isComposing || /^(delete|history)/.test(event.inputType));

/** Writes the text, with the caret after the same digit. */
function rewrite(input: HTMLInputElement, text: string): void {
  const { value, selectionStart } = input;
  if (text === value) return;
  const before = ascii(value.slice(0, selectionStart ?? value.length)).replace(KEPT, "").length;
  input.value = text;
  let caret = 0;
  for (let seen = 0; caret < text.length && seen < before; caret++) {
    if (!text.charAt(caret).match(KEPT)) seen++;
  }
  if (input.matches(":focus")) input.setSelectionRange(caret, caret);
}

/** How many digits are needed, while there are others. */
function adviceOn(texts: Texts, { text, isPossible, lengths }: Reading): string {
  if (!/\d/.test(text) || isPossible || !lengths.length) return "";
  const [least, most] = [Math.min(...lengths), Math.max(...lengths)];
  return fill(texts.errors.short, { n: least === most ? least : `${least}–${most}` });
}
