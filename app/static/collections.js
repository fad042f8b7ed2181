// Which collection is looked at, and what it is called. A new one is a name until the first document is in it.

import * as api from "./api.js";
import { byId, make, plural } from "./dom.js";

export const FIRST = "default"; // what every library has
const FORMS = { make: ["Name of the new collection", "Make"], rename: ["New name of the collection", "Rename"] };

export class Collections {
  constructor(events) {
    this.events = events; // choose(name), act(action)
    this.names = [FIRST];
    this.chosen = FIRST;
    /** @type {Map<string, Api.CollectionView>} */
    this.counts = new Map();
    /** @type {Set<string>} */
    this.made = new Set(); // here, and nothing is in them yet
    byId("cv-collection").addEventListener("change", () => this.events.choose(byId("cv-collection").value));
    const form = byId("cv-collection-form");
    byId("cv-new-collection").addEventListener("click", () => this.showForm(form.hidden || form.dataset.does !== "make" ? "make" : ""));
    byId("cv-rename-collection").addEventListener("click", () => this.showForm("rename"));
    byId("cv-delete-collection").addEventListener("click", () => this.ask(true));
    byId("cv-collection-keep").addEventListener("click", () => this.ask(false));
    byId("cv-collection-erase").addEventListener("click", () => this.erase());
    byId("cv-collection-more").addEventListener("click", () => this.showMenu(byId("cv-collection-menu").hidden));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = byId("cv-collection-name").value.trim().replace(/\s+/g, " ");
      const { does } = form.dataset;
      this.showForm("");
      if (name && does === "make") this.make(name);
      else if (name && name !== this.chosen) this.rename(name);
    });
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.showForm("");
    });
  }

  make(name) {
    if (!this.names.includes(name)) this.made.add(name);
    this.events.choose(name);
  }

  rename(name) {
    const { chosen } = this;
    return this.events.act(async () => {
      await api.renameCollection(chosen, name);
      this.events.choose(name);
    });
  }

  erase() {
    const { chosen } = this;
    this.ask(false);
    return this.events.act(async () => {
      await api.removeCollection(chosen);
      this.events.choose(FIRST);
    });
  }

  showMenu(isShown) {
    byId("cv-collection-menu").hidden = !isShown;
    byId("cv-collection-more").setAttribute("aria-expanded", String(isShown));
    if (isShown) byId("cv-rename-collection").focus();
  }

  ask(isAsked) {
    this.showMenu(false);
    byId("cv-collection-question").hidden = !isAsked;
    const documents = plural(this.counts.get(this.chosen)?.documents ?? 0, "document");
    byId("cv-collection-asked").textContent = `Delete the collection ${this.chosen} with its ${documents}?`;
    byId(isAsked ? "cv-collection-keep" : "cv-collection-more").focus();
  }

  // `does` is what the form is for, "" where it is for nothing.
  showForm(does) {
    this.showMenu(false);
    const form = byId("cv-collection-form");
    form.hidden = !does;
    byId("cv-new-collection").setAttribute("aria-expanded", String(does === "make"));
    const from = form.dataset.does === "rename" ? "cv-collection-more" : "cv-new-collection";
    form.dataset.does = does;
    const input = byId("cv-collection-name");
    input.value = does === "rename" ? this.chosen : "";
    if (!does) return byId(from).focus();
    const [label, act] = FORMS[does];
    input.placeholder = label;
    input.setAttribute("aria-label", label);
    byId("cv-collection-do").textContent = act;
    return input.select();
  }

  /** @param {Api.CollectionView[]} collections
   * @param {string} chosen */
  show(collections, chosen) {
    this.chosen = chosen;
    this.names = collections.map((each) => each.name);
    this.counts = new Map(collections.map((each) => [each.name, each]));
    for (const name of this.names) this.made.delete(name);
    const names = [...this.names, ...[...this.made, chosen].filter((name, at, all) => !this.names.includes(name) && all.indexOf(name) === at)];
    const text = (name) => `${name} (${this.made.has(name) ? "new" : (this.counts.get(name)?.pages ?? 0).toLocaleString("en")})`;
    const select = byId("cv-collection");
    const drawn = names.map(text).join("\n");
    if (drawn !== this.drawn) select.replaceChildren(...names.map((name) => make("option", { value: name }, text(name))));
    this.drawn = drawn;
    select.value = chosen;
    const isNew = !this.names.includes(chosen);
    Object.assign(byId("cv-collection-more"), { disabled: isNew,
      title: isNew ? "Rename or delete it once its first page is read: until then it is a name" : "Rename or delete this collection" });
  }
}
