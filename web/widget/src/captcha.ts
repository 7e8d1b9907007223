/** The captchas of others, whose scripts are loaded when one is asked for, and altcha. */

import { type Challenge, solve } from "./altcha";
import type { WidgetInfo } from "./api";
import type { Timing, Transport } from "./transport";

export interface CaptchaSurroundings {
  /** Where a captcha that can be seen is drawn. */
  host: HTMLElement | undefined;
  /** For the script, under a content security policy. */
  nonce: string | undefined;
  locale: string | undefined;
  timing: Pick<Timing, "now" | "sleep">;
  call: Transport["call"];
}

/** What the vendors' scripts have in common. */
interface VendorApi {
  render(host: HTMLElement, wish: object): unknown;
  execute(siteKey: string, wish: object): PromiseLike<string>;
  /** Google's: its functions come before it knows its keys. */
  ready?(call: () => void): void;
  /** Yandex tells of errors only so. */
  subscribe?(id: unknown, event: string, call: () => void): void;
  /** What Cloudflare and Yandex call the end of one; Google's ends with its box. */
  remove?(id: unknown): void;
  destroy?(id: unknown): void;
}

const LOOK_EVERY_MS = 50;
const LOADED_WITHIN_MS = 15_000;

/** Name of the vendor's global, and the address of its script; `render` is Google's word for how. */
const VENDORS: Record<string, (render: string, hl: string) => [string, string]> = {
  google: (render, hl) => [
    "grecaptcha",
    `https://www.google.com/recaptcha/api.js?render=${render}&hl=${hl}`,
  ],
  yandex: () => ["smartCaptcha", "https://smartcaptcha.yandexcloud.net/captcha.js"],
  cloudflare: () => [
    "turnstile",
    "https://challenges.cloudflare.com/turnstile/v0/api.js?render=explicit",
  ],
};

async function vendorApi(
  [name, address]: [string, string],
  method: keyof VendorApi,
  page: Document,
  { nonce, timing }: CaptchaSurroundings,
  signal: AbortSignal,
): Promise<VendorApi> {
  let lost = false;
  if (![...page.scripts].some(({ src }) => src === address)) {
    const script = page.createElement("script");
    script.onerror = () => {
      lost = true;
      // So that the next try loads it again.
      script.remove();
    };
    if (nonce) script.nonce = nonce;
    script.src = address;
    page.head.append(script);
  }
  const globals = page.defaultView as unknown as Record<string, VendorApi | undefined>;
  // A script that has come may still have to load the rest of itself.
  const until = timing.now() + LOADED_WITHIN_MS;
  while (!lost && !signal.aborted && timing.now() < until) {
    const api = globals[name];
    if (api?.[method]) return api;
    await timing.sleep(LOOK_EVERY_MS, signal);
  }
  throw new Error(`${name} did not load`);
}

/** Draws a captcha, and takes it away once it is solved or given up. */
function draw(
  api: VendorApi,
  { captchaSiteKey: sitekey, captchaAction: action }: WidgetInfo,
  locale: string,
  host: HTMLElement,
  signal: AbortSignal,
) {
  const box = host.ownerDocument.createElement("div");
  host.append(box);
  let id: unknown;
  return new Promise<string>((resolve, reject) => {
    const fail = () => {
      reject(new Error("not solved"));
      // Cloudflare's word for: we have seen to it.
      return true;
    };
    signal.addEventListener("abort", fail);
    id = api.render(box, {
      sitekey,
      ...(action && { action }),
      callback: resolve,
      "error-callback": fail,
      // Yandex and Cloudflare have their own name for it.
      hl: locale,
      language: locale,
    });
    for (const event of ["network-error", "javascript-error"]) api.subscribe?.(id, event, fail);
  }).finally(() => {
    api.remove?.(id);
    api.destroy?.(id);
    box.remove();
  });
}

/** The token that the send needs; rejects when there is none to be had, or `signal` aborts. */
export async function solveCaptcha(
  widget: WidgetInfo,
  around: CaptchaSurroundings,
  signal: AbortSignal,
): Promise<string> {
  const { captchaProvider = "", captchaSiteKey = "", captchaChallengeUrl } = widget;
  const { host, timing, call } = around;
  if (captchaProvider === "altcha") {
    const answer = await call(captchaChallengeUrl ?? "altcha/challenge", signal);
    if (!answer?.body) throw new Error("no challenge");
    const breathe = () => timing.sleep(0, signal);
    const pace = { now: timing.now, breathe, over: () => signal.aborted };
    return solve(answer.body as unknown as Challenge, pace);
  }
  const locale = (around.locale ?? "en").slice(0, 2);
  const scored = captchaProvider === "google" && widget.captchaVersion === 3;
  const vendor = VENDORS[captchaProvider]?.(scored ? captchaSiteKey : "explicit", locale);
  if (!vendor || !(host || scored)) throw new Error("no captcha of this kind");
  const page = host?.ownerDocument ?? document;
  const api = await vendorApi(vendor, scored ? "execute" : "render", page, around, signal);
  if (host && !scored) return draw(api, widget, locale, host, signal);
  await new Promise<void>((known) => (api.ready ? api.ready(known) : known()));
  return api.execute(captchaSiteKey, { action: widget.captchaAction });
}
