import { describe, expect, test } from "vitest";
import { composed, countries, countryOf, DIALS, homeOf } from "../src/countries";
import { ascii, codeIn, grouped, plain } from "../src/digits";

describe("a code", () => {
  test.each([
    ["123456", "123456"],
    ["123 456", "123456"],
    ["12-34-56", "123456"],
    ["١٢٣٤٥٦", "123456"],
    ["۱۲۳۴۵۶", "123456"],
    ["१२३४५६", "123456"],
    ["Shop 24 code: 123456. Valid for 5 minutes.", "123456"],
    ["G-123456", "123456"],
    ["Your code is 123-456", "123456"],
    ["Shop24: your code is 123-456, valid for 5 minutes", "123456"],
    ["Zone 51. Code: 12 34 56", "123456"],
    ["12", "12"],
    ["1234567", "123456"],
    ["no digits", ""],
  ])("of six digits in %j is %j", (text, code) => {
    expect(codeIn(text, [6])).toBe(code);
  });

  test("of four digits is not taken from a longer number", () => {
    expect(codeIn("call 8800 or 79001234567, code 4821", [4])).toBe("8800");
    expect(codeIn("79001234567: 4821", [4])).toBe("4821");
  });
});

describe("a code of one of several lengths", () => {
  test.each([
    ["Order 2024: your code is 123456", [6, 4], "123456"],
    ["123456", [4, 6], "123456"],
    ["4821", [6, 4], "4821"],
    ["+7 900 123 4821", [4, 6], "4821"],
    ["123 456", [4, 6], "123456"],
    ["12 34 56", [4, 6], "123456"],
    ["Code 12-34, not 12-34-56", [4, 6], "1234"],
    ["12345678", [4, 6], "123456"],
  ])("in %j, of %j, is %j", (text, lengths, code) => {
    expect(codeIn(text, lengths)).toBe(code);
  });
});

const writtenIn = (system: string): string =>
  new Intl.NumberFormat(`en-u-nu-${system}`, { useGrouping: false }).format(9_876_543_210);

describe("a number", () => {
  test("has ASCII digits, whatever it was typed in", () => {
    expect(ascii("+٧ ٩٠٠ १२३ ４５ 𝟕 Ⅳ")).toBe("+7 900 123 45 7 Ⅳ");
  });

  test("has ASCII digits in every way of writing them", () => {
    const systems = Intl.supportedValuesOf("numberingSystem").filter((system) =>
      /^\p{Nd}+$/u.test(writtenIn(system)),
    );
    expect(systems.length).toBeGreaterThan(50);
    for (const system of systems) expect(ascii(writtenIn(system)), system).toBe("9876543210");
  });

  // Contacts, messengers and spreadsheets put marks of direction around the numbers that are copied.
  test.each([
    ["\u202a+7 900 123-45-67\u202c", "+7 900 123-45-67"],
    ["\u2066+49 1512 3456789\u2069", "+49 1512 3456789"],
    ["8 900\u200b 123-45-67\u200e ", "8 900 123-45-67"],
    ["tel:+79001234567", "+79001234567"],
    ["(+49) 1512 3456789", "+49) 1512 3456789"],
    ["Mobil:\u202a +49 1512 3456789", "+49 1512 3456789"],
    ["٨ ٩٠٠ ١٢٣", "8 900 123"],
    ["8 900 +7", "8 900 +7"],
    ["Tel. 8 900", "Tel. 8 900"],
  ])("pasted as %j is %j", (pasted, read) => {
    expect(plain(pasted)).toBe(read);
  });

  test.each([
    ["900 123-45-67", "RU", "+7 900 123-45-67"],
    ["8 900 123-45-67", "RU", "+7 8 900 123-45-67"],
    ["79001234567", "RU", "+79001234567"],
    ["+44 7911 123456", "RU", "+44 7911 123456"],
    ["0044 7911 123456", "RU", "+447911123456"],
    ["07911 123456", "GB", "+44 07911 123456"],
    ["1 202 555 0100", "US", "+12025550100"],
    ["202 555 0100", "US", "+1 202 555 0100"],
    ["", "RU", ""],
    ["abc", "RU", "abc"],
    ["55 99123-4567", "BR", "+55 55 99123-4567"],
    ["55 55 99123-4567", "BR", "+5555991234567"],
    ["11 99123-4567", "BR", "+55 11 99123-4567"],
    ["33 6 12 34 56 78", "FR", "+33612345678"],
    ["＋7 900 123", "RU", "+7 900 123"],
    ["900 123-45-67", "ZZ", "900 123-45-67"],
  ])("%j typed with %s goes out as %j", (typed, iso, sent) => {
    expect(composed(typed, iso)).toBe(sent);
  });

  test.each([
    ["+79001234567", "+7 900 123 45 67"],
    ["+12025550100", "+1 202 555 01 00"],
    ["+447911123456", "+44 791 112 34 56"],
    ["+3726123456", "+372 612 34 56"],
    ["+4915123456789", "+49 151 234 567 89"],
  ])("%s is read as %j", (number, read) => {
    expect(grouped(number)).toBe(read);
    expect(read.replaceAll(" ", "")).toBe(number);
  });

  test("in E.164 loses no digit by being grouped, whatever its length", () => {
    for (const dial of DIALS.values()) {
      for (let length = 4; length < 13; length++) {
        const number = `+${dial}${"1234567890123".slice(0, length)}`;
        expect(grouped(number).replaceAll(" ", "")).toBe(number);
      }
    }
  });
});

describe("a country", () => {
  test("is found by what an international number begins with", () => {
    expect(countryOf("79001234567")).toBe("RU");
    expect(countryOf("375291234567")).toBe("BY");
    expect(countryOf("12025550100")).toBe("US");
    expect(countryOf("99")).toBeUndefined();
    expect(countryOf("")).toBeUndefined();
  });

  test("stays as chosen where several share a code", () => {
    expect(countryOf("77011234567", "KZ")).toBe("KZ");
    expect(countryOf("14165550100", "CA")).toBe("CA");
    expect(countryOf("4915112345678", "CA")).toBe("DE");
  });

  test("is the person's by what they read", () => {
    expect(homeOf(["und-kz", "en-GB", "ru"])).toBe("KZ");
    expect(homeOf([null, "en-GB", "ru"])).toBe("GB");
    expect(homeOf([null, "ru"])).toBe("RU");
    expect(homeOf(["not a tag", undefined])).toBe("US");
  });

  test("is the region that a language names before the one that it makes likely", () => {
    expect(homeOf(["ru", "de-AT", "fr-FR"])).toBe("AT");
    expect(homeOf(["en", "kk", "ru"])).toBe("KZ");
    expect(homeOf(["en"])).toBe("US");
    expect(homeOf(["en-001", "es-419", "ru"])).toBe("RU");
  });

  test("has a name and one to three digits, and there are all of them", () => {
    const list = countries("ru");
    expect(list).toHaveLength(245);
    for (const [iso, dial, name] of list) {
      expect(iso).toMatch(/^[A-Z]{2}$/);
      expect(dial).toMatch(/^\d{1,3}$/);
      expect(name).not.toBe("");
    }
    expect(list.find(([iso]) => iso === "DE")).toEqual(["DE", "49", "Германия"]);
  });
});
