// Elements are made here, and text is only ever set as text: a file name may hold anything.

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// A line drawing of 16 x 16; the button that holds it has the words.
export function icon(path) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", path);
  for (const [name, value] of [["viewBox", "0 0 16 16"], ["aria-hidden", "true"], ["class", "cv-drawn"]]) drawing.setAttribute(name, value);
  drawing.append(line);
  return drawing;
}

export function say(element, sentence) {
  element.textContent = sentence ? sentence[0].toUpperCase() + sentence.slice(1) : "";
  element.hidden = !sentence;
}

// What is drawn anew loses the focus that lies in it: the same place gets it again.
export function keepFocus(box, draw) {
  const places = () => [...box.querySelectorAll("button, input")];
  const at = places().indexOf(document.activeElement);
  draw();
  if (at >= 0) (places()[at] ?? places().at(-1))?.focus({ preventScroll: true });
}

export const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

export function inBytes(bytes) {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} KB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

export function inTime(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 3600 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
