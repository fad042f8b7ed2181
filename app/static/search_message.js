// What is said where a search has no answer, or none yet, and what can be done.

import { FIRST } from "./collections.js";
import { byId, make, say } from "./dom.js";

export function offer(sentence, text, act) {
  const line = byId("cv-message");
  say(line, `${sentence} `);
  line.append(make("button", { type: "button", class: "cv-link", onclick: act }, text));
}

// What the search was limited to may have been deleted since the link was made, or be a collection that is new.
// `widen(change)` searches without that limit; `isNew`: the collection was made here a moment ago.
/** @param {Error & { status?: number }} error
 * @param {import("./address.js").State} state */
export function tellFailure(error, { document, collection, like, where }, { widen, isNew }) {
  const isLimited = !like && !where && (document || collection !== FIRST); // pages like one are looked for where that one is
  if (error.status !== 404 || !isLimited) say(byId("cv-message"), error.message);
  else if (document) {
    const gone = "The document that this search was limited to is not in the library, or not any more.";
    offer(gone, "Search all documents", () => widen({ document: "" }));
  } else if (isNew) {
    offer(`The collection ${collection} is new: it holds no document yet. Add one, or search elsewhere.`, `Search in ${FIRST}`, () => widen({ collection: FIRST }));
  } else {
    const empty = `The collection ${collection} holds no document, or none any more: add one, or search elsewhere.`;
    offer(empty, `Search in ${FIRST}`, () => widen({ collection: FIRST }));
  }
}
