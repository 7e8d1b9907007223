/**
 * A button with the dialling code, and a searchable list behind it (the combobox of the ARIA guide).
 *
 * It comes in a file of its own, after the field that it stands in: without it a number is sent as
 * it was typed.
 */

import { dresser } from "./adopt";
import { type Country, composed, countries, countryOf, DIALS, homeOf } from "./countries";
import { COUNTRY_CSS } from "./country-styles";
import { plain } from "./digits";
import { h, say, set } from "./dom";
import type { Texts } from "./i18n/index";

export interface CountryPicker {
  /** What to send of what was typed. */
  value(): string;
}

const dress = dresser(COUNTRY_CSS);

export interface CountryPickerOptions {
  texts: Texts;
  locale: string;
  /** Languages and regions that tell the person's country, the surest first. */
  home: readonly (string | null | undefined)[];
  /** Where the number is typed: one with a code of its own chooses the country. */
  input: HTMLInputElement;
  /** What stands where it will. */
  place: HTMLElement;
}

/** Puts itself into its place; `null` if the form has been taken away meanwhile. */
export function countryPicker(options: CountryPickerOptions): CountryPicker | null {
  const { texts, locale, input, place } = options;
  const root = place.getRootNode();
  if (!(root instanceof ShadowRoot)) return null;
  const { host } = root;
  const { country: label } = texts;
  const typed = (): string => plain(input.value);
  let all: Country[] = [];
  let shown: Country[] = [];
  let iso = "";
  let at = 0;
  const face = h("span");
  const button = h(
    "button",
    {
      type: "button",
      class: "country",
      part: "country-button",
      "aria-haspopup": "listbox",
      "aria-expanded": "false",
      onclick: () => (panel.hidden ? open() : close()),
    },
    face,
  );
  const list = h("ul", {
    id: "countries",
    role: "listbox",
    part: "country-list",
    "aria-label": label,
    onclick: (event: Event) => choose((event.target as Element).closest("li")),
    // The search keeps the focus.
    onmousedown: (event: Event) => event.preventDefault(),
  });
  const search = h("input", {
    type: "text",
    role: "combobox",
    part: "country-search",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: label,
    "aria-label": label,
    "aria-controls": "countries",
    "aria-autocomplete": "list",
    "aria-expanded": "true",
    oninput: filter,
    onkeydown: press,
    onblur: () => close(false),
  });
  const panel = h("div", { class: "panel", part: "country-panel", hidden: true }, search, list);

  function open(): void {
    if (!all.length) all = countries(locale);
    search.value = "";
    // The field reads from the left, as numbers do; names of countries read as the page does.
    set(panel, "dir", getComputedStyle(host).direction);
    panel.hidden = false;
    set(button, "aria-expanded", "true");
    filter();
    search.focus();
  }

  function close(back = true): void {
    panel.hidden = true;
    set(button, "aria-expanded", "false");
    if (back) button.focus();
  }

  function filter(): void {
    const wanted = search.value.trim().toLocaleLowerCase(locale).replace(/^\+/, "");
    shown = all.filter(
      ([code, dial, name]) =>
        name.toLocaleLowerCase(locale).includes(wanted) ||
        dial.startsWith(wanted) ||
        code.toLowerCase() === wanted,
    );
    // Those that begin with it come first.
    const begins = ([, , name]: Country): boolean =>
      name.toLocaleLowerCase(locale).startsWith(wanted);
    if (wanted) shown.sort((a, b) => Number(begins(b)) - Number(begins(a)));
    list.replaceChildren(
      ...shown.map(([code, dial, name], index) =>
        h(
          "li",
          { role: "option", id: `country-${index}`, part: "country-option", "data-iso": code },
          h("span", {}, name),
          h("span", { dir: "ltr" }, `+${dial}`),
        ),
      ),
    );
    mark(wanted ? 0 : shown.findIndex(([code]) => code === iso));
  }

  function mark(index: number): void {
    at = Math.max(0, Math.min(index, shown.length - 1));
    set(search, "aria-activedescendant", shown.length ? `country-${at}` : null);
    for (const [each, option] of [...list.children].entries()) {
      set(option, "aria-selected", each === at ? "true" : "false");
    }
    list.children[at]?.scrollIntoView({ block: "nearest" });
  }

  function press(event: KeyboardEvent): void {
    const moves: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + 8,
      PageUp: at - 8,
    };
    const move = moves[event.key];
    if (move !== undefined) mark(move);
    else if (event.key === "Escape") close();
    else if (event.key === "Enter") choose(list.children[at]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function choose(option: Element | null | undefined): void {
    if (!option) return;
    show(option.getAttribute("data-iso") ?? iso, false);
    close();
    // A number of another country would contradict the choice.
    if (typed().startsWith("+")) input.value = "";
    input.dispatchEvent(new Event("input"));
    input.focus();
  }

  function follow(): void {
    const digits = typed().replace(/\D/g, "").replace(/^00/, "");
    const international = /^(\+|00)/.test(typed());
    show((international && countryOf(digits, iso)) || iso, international);
  }

  function show(wanted: string, international: boolean): void {
    iso = wanted;
    const text = international ? iso : `${iso} +${DIALS.get(iso)}`;
    say(face, text);
    set(button, "aria-label", `${label}: ${text}`);
  }

  /** Fetched when the number is first touched: it is larger than all the rest. */
  function assist(): void {
    input.removeEventListener("focus", assist);
    const field = input.closest(".field");
    if (!field) return;
    const country = () => iso;
    const found = (other: string) => DIALS.has(other) && show(other, true);
    import("./phone-guide").then(
      ({ guide }) => guide({ input, field, texts, country, found }),
      () => input.addEventListener("focus", assist), // a number is as good without it
    );
  }

  dress(root);
  iso = homeOf(options.home);
  follow();
  input.addEventListener("input", follow);
  if (root.activeElement === input || input.value) assist();
  else input.addEventListener("focus", assist);
  place.replaceWith(h("div", { class: "picker" }, button, panel));
  return { value: () => composed(typed(), iso) };
}
