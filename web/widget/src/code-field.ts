/** One real input over drawn boxes: autofill, paste, undo and screen readers work as everywhere. */

import { codeIn } from "./digits";
import { h, set } from "./dom";

export interface CodeField {
  readonly node: HTMLElement;
  readonly input: HTMLInputElement;
  /** Draws boxes for the first of the lengths that a code may have; another one empties the field. */
  resize(lengths: readonly number[]): void;
  /** Puts a code in, as if it had been typed. */
  take(code: string): void;
  /** Empties the field; the next full code goes out by itself again. */
  clear(): void;
  /** Another message is on its way: what was refused is cleared, what is half typed stays. */
  renew(): void;
  /** Gives a refused code back: selected, so that typing replaces it; `lead` brings the focus. */
  reject(lead: boolean): void;
}

// Above any code, so that a paste with spaces, or of the whole message, arrives in full.
const LONGEST_PASTE = 200;

/** So long a code that is being typed may still grow into an earlier, longer one. */
const MORE_MS = 1000;

/** `onfull` runs by itself once, when a length is first reached; `onedit` at every change. */
export function codeField(
  id: string,
  { onfull, onedit }: { onfull(code: string): void; onedit(): void },
): CodeField {
  let lengths: readonly number[] = [];
  let full = false;
  let typed = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const boxes = h("span", { class: "boxes", "aria-hidden": true });
  const input = h("input", {
    id,
    part: "code-input",
    type: "text",
    inputmode: "numeric",
    spellcheck: "false",
    dir: "ltr",
    maxlength: LONGEST_PASTE,
    oninput: edited,
    oncompositionend: edited,
  });
  const node = h("div", { class: "code", part: "code-field", dir: "ltr" }, boxes, input);
  function edited(event?: InputEvent): void {
    // What is being composed must not be written over: it is read at the end.
    if (event?.isComposing) return;
    const before = typed;
    clearTimeout(timer);
    clean();
    onedit();
    const [length = 0] = lengths;
    if (full || typed < length || !lengths.includes(typed)) return;
    const submit = () => {
      full = true;
      onfull(input.value);
    };
    if (typed === Math.max(...lengths) || typed > before + 1) submit();
    else timer = setTimeout(submit, MORE_MS);
  }

  function clean(): void {
    const { value, selectionStart } = input;
    const code = codeIn(value, lengths);
    if (code !== value) {
      const caret = codeIn(value.slice(0, selectionStart ?? value.length), lengths).length;
      input.value = code;
      input.setSelectionRange(caret, caret);
    }
    set(input, "aria-invalid", null);
    mark();
  }

  /** Shows which boxes are filled, and which comes next. */
  function mark(): void {
    typed = input.value.length;
    const [usual = 0] = lengths;
    const length = typed > usual ? Math.max(...lengths) : usual;
    if (boxes.children.length !== length) {
      node.style.setProperty("--n", `${length}`);
      boxes.replaceChildren(...Array.from({ length }, () => h("i", { part: "code-box" })));
    }
    for (const [index, box] of [...boxes.children].entries()) {
      box.className = index < typed ? "full" : index === typed ? "on" : "";
    }
  }

  function clear(): void {
    clearTimeout(timer);
    input.value = "";
    full = false;
    set(input, "aria-invalid", null);
    mark();
  }

  return {
    node,
    input,
    clear,
    renew() {
      if (full) clear();
    },
    resize(wanted) {
      const [before = wanted[0]] = lengths;
      lengths = wanted;
      if (wanted[0] === before) mark();
      else clear();
    },
    take(code) {
      input.value = code;
      edited();
    },
    reject(lead) {
      set(input, "aria-invalid", true);
      if (lead) input.focus();
      if (input.matches(":focus")) input.select();
    },
  };
}
