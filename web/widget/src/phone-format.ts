/** How a number is written as it is typed, and how long one is in its country. */

import { AsYouType, type CountryCode, isSupportedCountry, Metadata } from "libphonenumber-js/core";
import metadata from "libphonenumber-js/mobile/metadata";

/** What is known of a number that may not be complete. */
export interface Reading {
  /** As its country writes it. */
  text: string;
  /** The country that an international number is of, once that is certain. */
  country: string | undefined;
  /** Whether it may be complete. */
  isPossible: boolean;
  /** How many digits a mobile number has when it is written like this. */
  lengths: readonly number[];
}

/** What the library's own declarations leave out. */
interface Plan {
  possibleLengths(): number[];
  type(name: string): Plan | undefined;
}

/** Reads what was typed in ASCII digits; a number without a code is one of `country`. */
export function read(typed: string, country: string): Reading {
  const reader = new AsYouType(country as CountryCode, metadata);
  const text = reader.input(typed);
  const code = typed.startsWith("+") ? (reader.getCallingCode() ?? "") : "";
  const found = reader.getCountry();
  return {
    text,
    country: code && found,
    isPossible: reader.isPossible(),
    lengths: mobileLengths(found ?? country).map((length) => length + code.length),
  };
}

function mobileLengths(country: string): readonly number[] {
  if (!isSupportedCountry(country as CountryCode, metadata)) return [];
  const plans = new Metadata(metadata);
  plans.selectNumberingPlan(country as CountryCode);
  const plan = plans.numberingPlan as Plan | undefined;
  return (plan?.type("MOBILE") ?? plan)?.possibleLengths() ?? [];
}
