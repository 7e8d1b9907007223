import { describe, expect, test } from "vitest";
import { DIALS } from "../src/countries";
import { read } from "../src/phone-format";

describe("a number while it is typed", () => {
  test.each([
    ["9", "RU", "9"],
    ["900123", "RU", "900 123"],
    ["9001234567", "RU", "900 123-45-67"],
    ["89001234567", "RU", "8 (900) 123-45-67"],
    ["+7 (900) 1234567", "RU", "+7 900 123 45 67"],
    ["2025550100", "US", "(202) 555-0100"],
    ["07911123456", "GB", "07911 123456"],
    ["+4915112345678", "RU", "+49 1511 2345678"],
  ])("%s of %s is written %j", (typed, country, text) => {
    expect(read(typed, country).text).toBe(text);
  });

  test("keeps its digits, in whichever country and however long it is", () => {
    for (const country of DIALS.keys()) {
      for (let length = 1; length < 14; length++) {
        const digits = "2345678923456".slice(0, length);
        expect(read(digits, country).text.replace(/\D/g, "")).toBe(digits);
      }
    }
  });
});

describe("the country of a number", () => {
  test.each([
    ["+77011234567", "RU", "KZ"],
    ["+79001234567", "KZ", "RU"],
    ["+14165550100", "US", "CA"],
    ["+375", "RU", "BY"],
  ])("%s is told by the number itself", (typed, country, found) => {
    expect(read(typed, country).country).toBe(found);
  });

  test("is not asked of one without a code", () => {
    expect(read("4165550100", "US").country).toBeFalsy();
  });
});

describe("how many digits a number needs", () => {
  test.each([
    ["900", "RU", false, [10]],
    ["+7900", "RU", false, [11]],
    ["9001234567", "RU", true, [10]],
    ["89001234567", "RU", true, [10]],
    ["900123456789", "RU", false, [10]],
    ["0151 2345", "DE", true, [10, 11]],
    ["20255501", "US", false, [10]],
    ["1", "ZZ", false, []],
  ])("%s of %s", (typed, country, isPossible, lengths) => {
    expect(read(typed, country)).toMatchObject({ isPossible, lengths });
  });
});
