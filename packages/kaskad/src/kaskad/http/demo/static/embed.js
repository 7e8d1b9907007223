import { $, choose } from "./choices.js";
import { t } from "./words.js";

/** The text to copy into a page, for the widget and the look that are chosen above. */
export class Embed {
  #form = "script";
  #texts = null;
  #asked = 0;

  constructor() {
    choose($("forms"), this.#form, (form) => {
      this.#form = form;
      this.draw();
    });
    $("copy").addEventListener("click", () => this.#copy());
  }

  async show(widgetId, look) {
    const asked = ++this.#asked;
    const response = await fetch(`/demo/embed.json?${new URLSearchParams({ widget: widgetId, ...look })}`).catch(() => null);
    if (asked !== this.#asked || !response?.ok) return;
    this.#texts = await response.json();
    this.draw();
  }

  draw() {
    $("embed").hidden = this.#texts === null;
    $("embed-text").textContent = t({ script: "embedScript", element: "embedElement", module: "embedModule" }[this.#form]);
    $("snippet").textContent = this.#texts?.[this.#form] ?? "";
    $("copy").textContent = t("copy");
  }

  async #copy() {
    const text = $("snippet").textContent;
    if (navigator.clipboard && window.isSecureContext) await navigator.clipboard.writeText(text);
    else this.#select();
    $("copy").textContent = t("copied");
    setTimeout(() => ($("copy").textContent = t("copy")), 2_000);
  }

  /** On plain http from another machine there is no clipboard for scripts, only the old way. */
  #select() {
    getSelection().selectAllChildren($("snippet"));
    document.execCommand("copy");
  }
}
