/** What a visitor chose for this page: kept for the next visit where storage allows. */

export const $ = (id) => document.getElementById(id);

export function recall(name, storage = localStorage) {
  try {
    return storage.getItem(`kaskad-${name}`);
  } catch {
    return null;
  }
}

export function remember(name, value, storage = localStorage) {
  try {
    storage.setItem(`kaskad-${name}`, value);
  } catch {
    // Storage may be switched off: then a reload starts anew.
  }
}

/** A group of radio buttons: checks one, and hears of every other choice. */
export function choose(group, value, onChange) {
  const wanted = group.querySelector(`input[value="${CSS.escape(value)}"]`) ?? group.querySelector("input");
  if (wanted) wanted.checked = true;
  group.addEventListener("change", (event) => onChange(event.target.value));
  return wanted?.value;
}
