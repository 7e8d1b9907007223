/** Digits as people write them. */

/** The digits of every script become ASCII; all else stays. */
export function ascii(text: string): string {
  return text.replace(/\p{Nd}/gu, (digit) => {
    // They stand in a row, from zero to nine.
    let code = digit.codePointAt(0) as number;
    let value = 0;
    while (/\p{Nd}/u.test(String.fromCodePoint(--code))) value++;
    return `${value % 10}`;
  });
}

/** A number as it was typed or pasted, without marks that nobody sees and what stands before its plus. */
export const plain = (text: string): string =>
  ascii(text)
    .replace(/^\D*(?=\+)|\p{Cf}/gu, "")
    .trim();

/**
 * The code in what was typed or pasted: a run of just one of its lengths, as in a whole message,
 * the likeliest first, or one in groups, else all the digits there are, cut at the longest.
 */
export function codeIn(text: string, lengths: readonly number[]): string {
  const typed = ascii(text);
  const runs = ["", "[\\s-]?"].flatMap((gap) =>
    lengths.map((n) => RegExp(`(?<!\\d${gap})\\d(${gap}\\d){${n - 1}}(?!${gap}\\d)`).exec(typed)),
  );
  const [run = typed] = runs.find(Boolean) ?? [];
  return run.replace(/\D/g, "").slice(0, Math.max(...lengths));
}

// Dialling codes of one and two digits; the others have three.
const DIAL = /^\+(1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|...)/;

/** A number in E.164 with spaces between its parts, as an eye likes it. */
export function grouped(number: string): string {
  const dial = DIAL.exec(number)?.[0] ?? "";
  const parts = number
    .slice(dial.length)
    .match(/^(...)(...)(..)(..)$/)
    ?.slice(1);
  return [dial, ...(parts ?? number.slice(dial.length).match(/.{2,3}(?!.$)|.+/g) ?? [])].join(" ");
}
