// What of a document was not read: a few words in its row, and on a click which pages, why, and what can be done.

import { make } from "./dom.js";

// `toggled(isOpen)` hears of the click; `again()` tries the pages that failed once more, null where nothing can be tried.
/** @param {Api.DocumentView} document
 * @param {{ isOpen: boolean, toggled: (isOpen: boolean) => void, again: (() => void) | null }} acts */
export function healthDetails(document, { isOpen, toggled, again }) {
  const { is_whole, summary, failed, notes } = document.health;
  if (is_whole) return null;
  const box = make("details", { class: "cv-health", open: isOpen, ontoggle: () => toggled(box.open) },
    make("summary", { "data-key": `health-${document.id}` }, summary),
    make("ul", { class: "cv-meta" }, ...[...failures(failed), ...notes.map((note) => sentence(note, document.name))].map((text) => make("li", {}, text))),
    failed.length && again ? make("p", { class: "cv-acts" },
      make("button", { type: "button", class: "cv-link", "data-key": `again-${document.id}`, onclick: again }, "Try again"),
      make("span", { class: "cv-meta" }, lastTried(failed))) : null);
  return box;
}

// That trying again has come to the same is seen by it.
/** @param {Api.UnreadPage[]} failed */
function lastTried(failed) {
  const times = failed.map(({ tried }) => Date.parse(tried ?? "")).filter(Number.isFinite); // nobody knows those of an older library
  return times.length ? ` last tried ${new Date(Math.max(...times)).toLocaleString([], { dateStyle: "short", timeStyle: "short" })}` : "";
}

// Pages that failed for the same reason stand in one line.
/** @param {Api.UnreadPage[]} failed */
function failures(failed) {
  const pages = new Map();
  for (const { page, reason } of failed) pages.set(reason, [...(pages.get(reason) ?? []), page]);
  return [...pages].map(([reason, numbers]) => `${numbers.length > 1 ? "Pages" : "Page"} ${ranges(numbers)} not read: ${reason}`);
}

/** @param {Api.PagesNote} note
 * @param {string} name */
function sentence({ pages, text }, name) {
  const which = pages.length > 1 ? "Each of pages" : "Page";
  return `${pages.length ? `${which} ${ranges(pages)}` : name} ${text}`;
}

// `3`, `3, 5-9`.
/** @param {number[]} numbers */
function ranges(numbers) {
  const runs = [];
  for (const number of numbers) {
    if (runs.at(-1)?.[1] === number - 1) runs.at(-1)[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join(", ");
}
