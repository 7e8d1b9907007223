import { $ } from "./choices.js";
import { t } from "./words.js";

/** Plays the customer's back end after a verification: asks for the verdict and shows each answer. */
export class BackEnd {
  #apiBase = "";
  #verified = null; // { requestId, recipient }
  #answers = [];

  constructor() {
    $("complete-again").addEventListener("click", () => this.#ask());
  }

  set apiBase(base) {
    this.#apiBase = base;
  }

  forget() {
    this.#verified = null;
    this.draw();
  }

  async heard(verified) {
    this.#verified = verified;
    this.#answers = [];
    this.draw();
    await this.#ask();
  }

  get #path() {
    const { requestId, recipient } = this.#verified;
    return `/${requestId}/checkStatusAndComplete?recipient=${encodeURIComponent(recipient)}`;
  }

  async #ask() {
    const mine = this.#verified;
    const response = await fetch(`/demo/api${this.#path}`, { method: "POST" }).catch(() => null);
    const body = await response?.json().catch(() => null);
    if (mine !== this.#verified) return;
    this.#answers.push(body ?? { error: t("unreachable") });
    this.draw();
  }

  draw() {
    $("backend").hidden = this.#verified === null;
    if (this.#verified === null) return;
    $("backend-request").textContent = `POST ${this.#apiBase}${this.#path}`;
    $("answers").replaceChildren(...this.#answers.map((answer, index) => {
      const item = document.createElement("li");
      const code = document.createElement("code");
      item.className = answer.success ? "is-true" : "";
      item.dataset.success = String(answer.success);
      code.textContent = JSON.stringify(answer);
      item.append(index ? t("later", { count: index + 1 }) : t("first"), code);
      return item;
    }));
    $("once").textContent = this.#answers.length > 1 ? t("once") : "";
  }
}
