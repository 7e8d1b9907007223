/** A phone number in any notation, with the country that it is read in. */

import type { CountryPicker, CountryPickerOptions } from "./country-picker";
import { h } from "./dom";

export interface PhoneField {
  readonly node: HTMLElement;
  readonly input: HTMLInputElement;
  /** What to send. */
  value(): string;
  /** The field is seen: fetches the list of countries, once. */
  shown(): void;
}

export function phoneField(
  id: string,
  { oninput, ...options }: Omit<CountryPickerOptions, "input" | "place"> & { oninput(): void },
): PhoneField {
  let picker: CountryPicker | null = null;
  let asked = false;
  const place = h("div", { class: "picker" });
  const input = h("input", {
    id,
    part: "phone-input",
    name: "tel",
    type: "tel",
    inputmode: "tel",
    autocomplete: "tel",
    dir: "ltr",
    maxlength: 64,
    oninput,
  });

  return {
    node: h("div", { class: "field", part: "phone-field", dir: "ltr" }, place, input),
    input,
    value: () => picker?.value() ?? input.value,
    shown() {
      if (asked) return;
      asked = true;
      import("./country-picker")
        .then(({ countryPicker }) => {
          picker = countryPicker({ ...options, input, place });
        })
        .catch(() => place.remove()); // the service reads numbers without it
    },
  };
}
