// How a search is made: what is under "Options".

import { byId } from "./dom.js";
import { browser } from "./storage.js";

// A setting's name in the address, and where it is set.
/** @type {Record<string, "cv-k" | "cv-mode" | "cv-where" | "cv-text-fusion" | "cv-rerank" | "cv-compare" | "cv-grouped">} */
const FIELDS = { k: "cv-k", mode: "cv-mode", where: "cv-where", text_fusion: "cv-text-fusion", rerank: "cv-rerank", compare: "cv-compare", grouped: "cv-grouped" };

const NO_LETTER_KEYS = "colvision-no-letter-keys";

export class Settings {
  constructor(events) {
    this.events = events; // changed(settings)
    byId("cv-more").addEventListener("click", () => this.reveal(byId("cv-settings").hidden));
    byId("cv-letter-keys").checked = browser.get(NO_LETTER_KEYS) !== "yes";
    byId("cv-letter-keys").addEventListener("change", () => browser.set(NO_LETTER_KEYS, this.hasLetterKeys ? "" : "yes"));
    for (const id of Object.values(FIELDS)) byId(id).addEventListener("change", () => this.change());
  }

  // The reranker that the server was started with, "" for none: then there is nothing to choose.
  offer(reranker) {
    byId("cv-rerank").labels[0].hidden = !reranker;
    byId("cv-rerank").options[1].textContent = `by ${reranker}`;
  }

  // Keys of one letter may be in the way of who speaks to the computer: the browser remembers that they are off.
  get hasLetterKeys() {
    return byId("cv-letter-keys").checked;
  }

  change() {
    const settings = this.read();
    this.show(settings);
    this.events.changed(settings);
  }

  reveal(shown) {
    byId("cv-settings").hidden = !shown;
    byId("cv-more").setAttribute("aria-expanded", String(shown));
  }

  get isRevealed() {
    return !byId("cv-settings").hidden;
  }

  read() {
    return Object.fromEntries(Object.entries(FIELDS).map(([name, id]) => [name, byId(id).value]));
  }

  show(state) {
    for (const [name, id] of Object.entries(FIELDS)) byId(id).value = state[name];
    const changed = ["where", "text_fusion", "rerank", "compare", "grouped"].some((name) => state[name]) || state.mode !== "auto";
    byId("cv-more").textContent = changed ? "Options (changed)" : "Options";
  }
}
