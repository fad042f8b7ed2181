// How a search is made: what is under "Options".

import { byId } from "./dom.js";

const FIELDS = { k: "cv-k" }; // the address's name for a setting, and where it is set

export class Settings {
  constructor(events) {
    this.events = events; // changed(settings)
    byId("cv-more").addEventListener("click", () => this.reveal(byId("cv-settings").hidden));
    for (const id of Object.values(FIELDS)) byId(id).addEventListener("change", () => this.events.changed(this.read()));
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
  }
}
