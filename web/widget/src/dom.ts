/** The few helpers that draw: elements by name, and writes that touch only what differs. */

type Value = string | number | boolean | null | undefined;
type Listener = (event: never) => void;

/** Sets an attribute; nothing or `false` takes it away. */
export function set(node: Element, name: string, value: Value): void {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else {
    const text = `${value}`;
    if (node.getAttribute(name) !== text) node.setAttribute(name, text);
  }
}

/** Writes a text only when it differs, so that a live region speaks of news alone. */
export function say(node: Element, text = ""): void {
  if (node.textContent !== text) node.textContent = text;
}

/** An element; a property that is a function listens to the event it is named by, without "on". */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Record<string, Value | Listener> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value as EventListener);
    else set(node, name, value);
  }
  node.append(...children);
  return node;
}
