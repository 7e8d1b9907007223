const OTHER_DIGITS = /[\u0660-\u0669\u06f0-\u06f9\u0966-\u096f]/g;

/** Keeps digits only; Arabic-Indic, Persian and Devanagari digits become ASCII. */
export function digitsOf(text) {
  return text.replace(OTHER_DIGITS, (c) => String.fromCharCode(48 + ((c.charCodeAt(0) & 0xf) - (c.charCodeAt(0) < 0x900 ? 0 : 6)))).replace(/\D/g, "");
}

/**
 * One real input over drawn cells.
 *
 * Pasted text may hold spaces, dashes or the whole message; what remains is digits, cut at the code's length.
 * `onComplete` runs by itself at most once per code, when the length is first reached.
 */
export class CodeField {
  #input;
  #cells;
  #onComplete;
  #onEdit;
  #length = 0;
  #completed = false;

  constructor(input, cells, { onComplete, onEdit }) {
    this.#input = input;
    this.#cells = cells;
    this.#onComplete = onComplete;
    this.#onEdit = onEdit;
    input.addEventListener("input", () => this.#take());
    for (const type of ["focus", "blur", "keyup", "select"]) input.addEventListener(type, () => this.#mark());
    document.addEventListener("selectionchange", () => this.#mark());
  }

  get length() {
    return this.#length;
  }

  set length(length) {
    if (length === this.#length) return;
    this.#length = length;
    this.#input.value = "";
    this.#completed = false;
    this.#cells.parentElement.style.setProperty("--length", String(length));
    this.#cells.replaceChildren(...Array.from({ length }, () => document.createElement("span")));
    this.#mark();
  }

  get value() {
    return digitsOf(this.#input.value);
  }

  /** A new code is on its way: an old wrong one is cleared, and the next full one is sent by itself again. */
  renew() {
    this.#completed = false;
    if (this.#input.getAttribute("aria-invalid") === "true" || this.value.length === this.#length) this.clear();
  }

  clear() {
    this.#input.value = "";
    this.#completed = false;
    this.#mark();
  }

  /** Back to the person: the code is wrong, or it could not be checked and may be sent again as it is. */
  reject({ wrong = true } = {}) {
    if (wrong) this.#input.setAttribute("aria-invalid", "true");
    this.#input.focus();
    this.#input.select();
    this.#mark();
  }

  #take() {
    const clean = digitsOf(this.#input.value).slice(0, this.#length);
    if (clean !== this.#input.value) {
      const before = digitsOf(this.#input.value.slice(0, this.#input.selectionStart ?? undefined)).length;
      this.#input.value = clean;
      const caret = Math.min(before, clean.length);
      this.#input.setSelectionRange(caret, caret);
    }
    this.#input.removeAttribute("aria-invalid");
    this.#onEdit();
    this.#mark();
    if (this.#completed || clean.length !== this.#length) return;
    this.#completed = true;
    this.#onComplete();
  }

  #mark() {
    const focused = document.activeElement === this.#input;
    const { selectionStart: start, selectionEnd: end, value } = this.#input;
    [...this.#cells.children].forEach((cell, index) => {
      const at = Math.min(start ?? 0, this.#length - 1);
      const active = focused && (start === end ? index === at : index >= start && index < end);
      cell.classList.toggle("is-active", active);
      cell.classList.toggle("is-filled", index < value.length);
    });
  }
}
