// Elements are made here, and text is only ever set as text: a file name may hold anything.

// One that the page has from its start.
/** @template {keyof PageElements} Id
 * @param {Id} id
 * @returns {PageElements[Id]} */
export const byId = (id) => /** @type {any} */ (document.getElementById(id));

// The elements of one inspector by their `data-part`: there may be several inspectors in a page.
/** @param {ParentNode} root
 * @returns {(name: string) => any} */
export const partsOf = (root) => (name) => root.querySelector(`[data-part="${name}"]`);

/** @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} attributes
 * @param {(Node | string | null | undefined)[]} children
 * @returns {HTMLElementTagNameMap[Tag]} */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

/** @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings] */
export const penOf = (canvas, settings) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", settings));

// A line drawing of 16 x 16; the button that holds it has the words.
/** @param {string} path */
export function icon(path) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", path);
  for (const [name, value] of [["viewBox", "0 0 16 16"], ["aria-hidden", "true"], ["class", "cv-drawn"]]) drawing.setAttribute(name, value);
  drawing.append(line);
  return drawing;
}

/** @param {HTMLElement} element
 * @param {string | null | undefined} sentence */
export function say(element, sentence) {
  element.textContent = sentence ? sentence[0].toUpperCase() + sentence.slice(1) : "";
  element.hidden = !sentence;
}

// Once what is drawn now is on the screen.
export const afterPaint = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

// What is drawn anew loses the focus that lies in it: the same place gets it again.
/** @param {HTMLElement} box
 * @param {() => void} draw */
export function keepFocus(box, draw) {
  const places = () => /** @type {HTMLElement[]} */ ([...box.querySelectorAll("button, input")]);
  const at = places().findIndex((place) => place === document.activeElement);
  draw();
  if (at >= 0) (places()[at] ?? places().at(-1))?.focus({ preventScroll: true });
}

// The element that is called so by its `data-key`: it may have been drawn anew since.
/** @param {string} key */
export function focusOn(key) {
  const place = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (place instanceof HTMLElement) place.focus();
}

/** @param {number} count
 * @param {string} word */
export const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

/** @param {number} bytes */
export function inBytes(bytes) {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} KB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** @param {number} seconds */
export function inTime(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 3600 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
