// Which collection is looked at. A new one is a name until the first document is in it.

import { byId, make } from "./dom.js";

export const FIRST = "default"; // what every library has

export class Collections {
  constructor(events) {
    this.events = events; // choose(name)
    this.names = [FIRST];
    byId("cv-collection").addEventListener("change", (event) => this.events.choose(event.target.value));
    byId("cv-new-collection").addEventListener("click", () => this.showForm(byId("cv-collection-form").hidden));
    byId("cv-collection-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = byId("cv-collection-name").value.trim().replace(/\s+/g, " ");
      this.showForm(false);
      if (name) this.events.choose(name);
    });
    byId("cv-collection-form").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.showForm(false);
    });
  }

  showForm(shown) {
    byId("cv-collection-form").hidden = !shown;
    byId("cv-new-collection").setAttribute("aria-expanded", String(shown));
    byId("cv-collection-name").value = "";
    (shown ? byId("cv-collection-name") : byId("cv-new-collection")).focus();
  }

  show(collections, chosen) {
    this.names = collections.map((each) => each.name);
    const names = this.names.includes(chosen) ? this.names : [...this.names, chosen];
    const pages = new Map(collections.map((each) => [each.name, each.pages]));
    const text = (name) => `${name} (${(pages.get(name) ?? 0).toLocaleString("en")})`;
    const select = byId("cv-collection");
    const drawn = names.map(text).join("\n");
    if (drawn !== this.drawn) select.replaceChildren(...names.map((name) => make("option", { value: name }, text(name))));
    this.drawn = drawn;
    select.value = chosen;
  }
}
