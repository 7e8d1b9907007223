/** The module that a page loads: defines `<kaskad-otp>`, and fetches the language that is needed. */

import { KaskadOtp } from "./element";
import { registerLocale } from "./i18n/index";

registerLocale("en", () => import("./i18n/en").then(({ en }) => en));
registerLocale("ru", () => import("./i18n/ru").then(({ ru }) => ru));

const origin = /^https?:/.test(import.meta.url) ? new URL(import.meta.url).origin : "";
KaskadOtp.defaultApiUrl = `${origin}/sdk`;

if (globalThis.customElements && !customElements.get("kaskad-otp")) {
  customElements.define("kaskad-otp", KaskadOtp);
}

export type { KaskadEvent, Problem, State, Step } from "./controller";
export { KaskadOtp, type Verdict } from "./element";
export { registerLocale, type Texts } from "./i18n/index";
