/** `<kaskad-otp>`: the form as an element of a page and as a field of the form around it. */

import { type Controller, createController, type State } from "./controller";
import { h } from "./dom";
import { chosen, type Texts, textsOf } from "./i18n/index";
import { type Face, face } from "./render";
import { dress } from "./styles";

/** What the page gets once the number is proven; its back end collects the verdict by it. */
export interface Verdict {
  requestId: string;
  recipient: string;
}

// Importing it on a server must not fail.
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/** After which a language that could not be fetched is tried again. */
const RETRY_MS = 3000;

const FIELDS = ["requestId", "recipient"] as const;

/** Who remembers its verification by which name. */
const places: Record<string, Element> = {};

/** Takes what a form has for itself alone; nothing if another one on the page has it. */
function take(from: object, name: string, who: Element): Element | false {
  const owners = from as Record<string, Element | undefined>;
  if (owners[name] !== who && owners[name]?.isConnected) return false;
  owners[name] = who;
  return who;
}

/** Forms of one widget on a page have names of their own, by order, so that a reload finds them. */
function placeOf(element: Element, widgetId: string): string {
  for (let n = 1; ; n++) {
    const place = n > 1 ? `${widgetId}:${n}` : widgetId;
    if (take(places, place, element)) return place;
  }
}

/**
 * The form that proves a phone number.
 *
 * @tag kaskad-otp
 *
 * @attr {string} widget-id - The widget, a UUID. Needed.
 * @attr {string} api-url - Where the page's endpoints are. Default: `/sdk` where the script is from.
 * @attr {string} locale - The language, as `ru` or `en-GB`. Default: the page's, then the browser's.
 * @attr {string} country - The country of numbers without a code, as `RU`. Default: the region that the browser's languages name, then the one that they or the page's language make likely.
 * @attr {"auto"|"light"|"dark"} theme - Default: `auto`, as the person's system is.
 * @attr {boolean} autofocus - Takes the focus when it is ready.
 * @attr {boolean} required - The form around it cannot be sent before the number is proven.
 *
 * @fires otp-ready - The widget is known: `{name}`.
 * @fires otp-sent - A verification has begun: `{requestId, recipient}`.
 * @fires otp-channel-change - Another channel: `{requestId, channel, previous, codeType}`.
 * @fires otp-code-error - A code was refused: `{requestId, type, attemptsLeft}`.
 * @fires otp-verified - The number is proven: `{requestId, recipient, status}`.
 * @fires otp-expired - A code, or the verification, is past its time: `{requestId, type}`.
 * @fires otp-error - Something else went wrong: `{requestId, type, ...}`.
 * @fires otp-resend - Another message was asked for: `{requestId, next}`.
 *
 * @slot captcha - Filled by the element itself, when the service asks for a captcha.
 *
 * @cssprop [--kaskad-color-primary=#0b6e69] - Buttons, links, focus.
 * @cssprop [--kaskad-color-on-primary=#fff] - Text on the primary colour.
 * @cssprop [--kaskad-color-text=#0f1f1d] - Text.
 * @cssprop [--kaskad-color-muted=#51635f] - Text that matters less.
 * @cssprop [--kaskad-color-surface=#fff] - The background.
 * @cssprop [--kaskad-color-line=#dbe4e1] - The edge of the card.
 * @cssprop [--kaskad-color-control=#78908a] - The edges of fields.
 * @cssprop [--kaskad-color-danger=#b3261e] - What went wrong.
 * @cssprop [--kaskad-color-success=#177245] - The seal at the end.
 * @cssprop [--kaskad-radius=14px] - Corners of fields and buttons.
 * @cssprop [--kaskad-padding] - Space inside the card.
 * @cssprop [--kaskad-shadow] - The card's shadow.
 * @cssprop [--kaskad-font] - The font family.
 *
 * @csspart card - The whole.
 * @csspart heading - What the step is about.
 * @csspart status - What is going on.
 * @csspart error - What went wrong.
 * @csspart button - Every button; `submit`, `resend`, `another`, `change`, `again`, `link` are single ones.
 * @csspart phone-field - The number with its country: `country-button`, `phone-input`, `country-list`.
 * @csspart hint - How many digits the number needs, while it has others.
 * @csspart code-field - The code: `code-input`, `code-box`.
 * @csspart number - The number that is being proven.
 */
export class KaskadOtp extends Base {
  static readonly formAssociated = true;
  static readonly observedAttributes = ["widget-id", "api-url", "locale"];

  /** Where the endpoints are when the page does not say. */
  static defaultApiUrl = "/sdk";

  #internals = this.attachInternals();
  #controller: Controller | undefined;
  #face: Face | undefined;
  /** Rises with each new form, so that texts which arrive late are not drawn. */
  #build = 0;
  #used = false;
  #verdict: Verdict | null = null;

  constructor() {
    super();
    const used = () => {
      this.#used = true;
    };
    for (const type of ["pointerdown", "focusin"]) this.addEventListener(type, used);
  }

  /** The proven number with its request, or `null`. */
  get verdict(): Verdict | null {
    return this.#verdict;
  }

  /** Where the person is. */
  get step(): State["step"] {
    return this.#controller?.state.step ?? "loading";
  }

  get #locale(): string {
    // A shadow root that this stands in says nothing of the page around it.
    const { lang } = this.closest<HTMLElement>("[lang]") ?? document.documentElement;
    return chosen([this.getAttribute("locale"), lang, ...navigator.languages]);
  }

  /** Back to the number; an unfinished verification is given up. */
  reset(): void {
    this.#controller?.changeNumber();
  }

  override focus(): void {
    this.#face?.focus();
  }

  connectedCallback(): void {
    if (!this.#controller) this.#begin();
    else this.#controller.start();
    this.#draw();
  }

  disconnectedCallback(): void {
    this.#controller?.stop();
    // What is half typed stays, for the page may only move it.
    this.#face?.stop();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    // What it has from the beginning is read once it is on the page.
    if (before === after || !this.isConnected || !this.#build) return;
    // Another language changes nothing but the words.
    if (name !== "locale") this.#begin();
    this.#draw();
  }

  formResetCallback(): void {
    this.reset();
  }

  #begin(): void {
    this.#controller?.stop();
    const widgetId = this.getAttribute("widget-id");
    if (!widgetId) return;
    const nonce = this.nonce || document.querySelector<HTMLScriptElement>("script[nonce]")?.nonce;
    const controller = createController({
      widgetId,
      key: placeOf(this, widgetId),
      apiUrl: this.getAttribute("api-url") ?? KaskadOtp.defaultApiUrl,
      locale: () => this.#locale,
      captchaHost: this.#captchaHost(),
      ...(nonce && { nonce }),
      onChange: () => this.#show(),
      onEvent: (name, detail) => {
        const event = new CustomEvent(name, { detail, bubbles: true, composed: true });
        // What one before has sent may be answered late.
        if (controller === this.#controller) this.dispatchEvent(event);
      },
    });
    this.#controller = controller;
    controller.start();
  }

  /** In the page's own tree: the scripts of captchas do not look into a shadow. */
  #captchaHost(): HTMLElement {
    const host = this.querySelector<HTMLElement>("[slot=captcha]") ?? h("div", { slot: "captcha" });
    this.append(host);
    return host;
  }

  /** Draws the form in its language, once that is here. */
  #draw(): void {
    const build = ++this.#build;
    const late = () => build !== this.#build || !this.isConnected;
    textsOf(this.#locale).then(
      (texts) => late() || this.#dressUp(texts),
      () => setTimeout(() => late() || this.#draw(), RETRY_MS),
    );
  }

  #dressUp(texts: Texts): void {
    // Whoever writes the page has to hear of it: its visitors see nothing.
    // biome-ignore lint/suspicious/noConsole: the console is where they look
    if (!this.#controller) return console.error("needs widget-id=UUID:", this);
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    dress(root);
    const country = this.getAttribute("country");
    const next = face({
      texts,
      locale: this.#locale,
      // A region that the browser names is the person's; the page's language is its author's.
      home: [country && `und-${country}`, ...navigator.languages, this.#locale],
      controller: this.#controller,
    });
    root.append(next.node);
    for (const id of ["#phone", "#code"]) {
      const [typed, input] = root.querySelectorAll<HTMLInputElement>(id);
      // What is typed next goes behind it.
      if (typed) input?.setRangeText(typed.value, 0, 0, "end");
    }
    this.#face?.stop();
    this.#face?.node.remove();
    this.#face = next;
    this.#show();
  }

  #show(): void {
    const { state } = this.#controller as Controller;
    const { step, requestId, recipient } = state;
    const { activeElement } = this.getRootNode() as Document | ShadowRoot;
    // A shadow root names nobody while the focus is elsewhere on the page.
    const ours =
      activeElement === this || (document.activeElement ?? document.body) === document.body;
    this.#face?.update(state, this.#used && ours);
    // After the face: a browser says by its heading why the form around cannot be sent.
    this.#publish(step === "verified" && requestId && recipient ? { requestId, recipient } : null);
    const first = step === "phone" && ours && !this.#used;
    if (first && this.hasAttribute("autofocus")) this.focus();
  }

  /** Fills the form around: hidden inputs that it has for this and nobody fills, else two of ours. */
  #publish(verdict: Verdict | null): void {
    this.#verdict = verdict;
    for (const name of FIELDS) {
      const selector = `input[type=hidden][name=${name}]`;
      const given = [this, this.#internals.form].flatMap((place) => [
        ...(place?.querySelectorAll<HTMLInputElement>(selector) ?? []),
      ]);
      let input = given.find((each) => take(each, this.localName, this));
      if (!input) {
        input = h("input", { type: "hidden", name });
        take(input, this.localName, this);
        this.append(input);
      }
      input.value = verdict?.[name] ?? "";
    }
    const missing = !verdict && this.hasAttribute("required");
    const { heading } = this.#face ?? {};
    const why = heading?.textContent || this.localName;
    this.#internals.setValidity({ valueMissing: missing }, why, heading);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "kaskad-otp": KaskadOtp;
  }
}
