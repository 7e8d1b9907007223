import { about, clock, spoken, t } from "./i18n.js";

const SPOKEN_AT_S = 30;

/**
 * The button that asks for another code, with its countdown inside.
 *
 * It stays focusable while it counts (aria-disabled), and the seconds are measured on the server's clock:
 * `show(channel)` takes the difference from payload.now. Spoken are only 30 seconds and the end.
 */
export class ResendButton {
  #button;
  #siblings;
  #live;
  #timer = null;
  #label = "";
  #readyAt = 0;
  #held = false;
  #last = null;

  constructor(button, { siblings, live }) {
    this.#button = button;
    this.#siblings = siblings;
    this.#live = live;
  }

  get ready() {
    return this.#button.getAttribute("aria-disabled") !== "true";
  }

  /** Draws what the server says comes next; nothing when nothing is left. */
  show({ status, payload }) {
    const { next = null, now, resendAt } = payload ?? {};
    this.#button.hidden = !next;
    if (!next) return this.stop();
    this.#label = about(next.action === "restart" ? "resend" : "switch", next);
    const remaining = resendAt ? Date.parse(resendAt) - (now ? Date.parse(now) : Date.now()) : 0;
    this.#held = !resendAt && status === "wait";
    this.#count(remaining);
  }

  /** Available at once, for example when the code has expired. */
  release() {
    if (!this.#label) this.#label = about("resend", { type: "" });
    this.#button.hidden = false;
    this.#held = false;
    this.#count(0);
  }

  /** The server asked for patience. */
  postpone(seconds) {
    this.#count(seconds * 1000);
  }

  /** Says why a press did nothing. */
  explain() {
    const left = this.#secondsLeft();
    if (left > 0) this.#live.textContent = t("availableIn", { label: this.#label, time: spoken(left) });
  }

  stop() {
    clearTimeout(this.#timer);
    this.#last = null;
  }

  #secondsLeft() {
    return Math.max(0, Math.ceil((this.#readyAt - performance.now()) / 1000));
  }

  #count(ms) {
    this.stop();
    this.#readyAt = performance.now() + ms;
    this.#tick();
  }

  #tick() {
    const left = this.#secondsLeft();
    const waits = left > 0 || this.#held;
    for (const button of [this.#button, ...this.#siblings]) {
      if (waits) button.setAttribute("aria-disabled", "true");
      else button.removeAttribute("aria-disabled");
    }
    this.#button.textContent = left > 0 ? t("labelIn", { label: this.#label, time: clock(left) }) : this.#label;
    if (this.#last !== null && left !== this.#last) {
      if (left === SPOKEN_AT_S) this.#live.textContent = t("availableIn", { label: this.#label, time: spoken(left) });
      if (left === 0) this.#live.textContent = t("availableNow", { label: this.#label });
    }
    this.#last = left;
    if (left > 0) this.#timer = setTimeout(() => this.#tick(), ((this.#readyAt - performance.now() - 1) % 1000) + 2);
  }
}
