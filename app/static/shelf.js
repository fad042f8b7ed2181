// The list of documents as its reader wants it: in what order, which of them, and several at once.

import * as api from "./api.js";
import { byId, focusOn, make, plural, say } from "./dom.js";
import { factsOf, factWords } from "./facts.js";
import { browser } from "./storage.js";

const ORDER = "colvision-order"; // in this browser's storage
/** @type {Record<string, (a: Api.DocumentView, b: Api.DocumentView) => number>} */
const ORDERS = {
  name: (a, b) => compareNames(a.name, b.name),
  added: (a, b) => b.added.localeCompare(a.added),
  pages: (a, b) => b.pages - a.pages,
  bytes: (a, b) => b.bytes - a.bytes,
};
const compareNames = new Intl.Collator(undefined, { numeric: true }).compare;
const FEW = 2; // documents, below which there is nothing to sort or to find

export class Shelf {
  constructor(events) {
    this.events = events; // redraw(), act(action)
    /** @type {Set<string>} */
    this.chosen = new Set(); // ids
    /** @type {Map<string, Api.DocumentView>} */
    this.documents = new Map(); // of the collection, by id
    /** @type {string[]} */
    this.shown = [];
    /** @type {{ id: string, form: HTMLFormElement } | null} */
    this.editing = null; // { id, form }: the form stays while the list is drawn anew around it
    this.filter = byId("cv-shelf-filter");
    this.order = byId("cv-shelf-order");
    this.order.value = browser.get(ORDER) ?? "name";
    if (!ORDERS[this.order.value]) this.order.value = "name";
    this.filter.addEventListener("input", () => this.events.redraw());
    this.order.addEventListener("change", () => {
      browser.set(ORDER, this.order.value);
      this.events.redraw();
    });
    const all = byId("cv-shelf-all");
    all.addEventListener("change", () => this.choose(this.shown, all.checked));
    byId("cv-shelf-delete").addEventListener("click", () => this.ask("delete"));
    byId("cv-shelf-note").addEventListener("click", () => this.ask("note"));
    byId("cv-shelf-none").addEventListener("click", () => this.choose([...this.chosen], false));
    byId("cv-shelf-question").addEventListener("submit", (event) => {
      event.preventDefault();
      this.answer();
    });
    byId("cv-shelf-keep").addEventListener("click", () => this.ask(""));
  }

  // What the list depends on, to be compared with what it depended on before.
  get state() {
    return [this.filter.value, this.order.value, [...this.chosen], this.editing?.id];
  }

  // Every word of the filter has to stand in the name, the folder or the facts.
  /** @param {Api.DocumentView[]} documents
   * @param {Map<string, string>} folders */
  arrange(documents, folders) {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = (each) => [each.name, folders.get(each.id) ?? "", ...factWords(each.metadata)].join(" ").toLowerCase();
    const found = documents.filter((each) => words.every((word) => text(each).includes(word)));
    return found.sort(ORDERS[this.order.value]);
  }

  // `documents` are all of the collection, `found` those that are listed.
  /** @param {Api.DocumentView[]} documents
   * @param {Api.DocumentView[]} found */
  show(documents, found) {
    const here = new Set(documents.map(({ id }) => id));
    for (const id of this.chosen) if (!here.has(id)) this.chosen.delete(id);
    if (this.editing && !here.has(this.editing.id)) this.editing = null;
    this.documents = new Map(documents.map((each) => [each.id, each]));
    this.shown = found.map(({ id }) => id);
    for (const each of [byId("cv-shelf-tools"), this.order]) each.hidden = documents.length < FEW && !this.filter.value;
    say(byId("cv-shelf-none-found"), documents.length && !found.length ? "no document has all of these words" : "");
    const count = this.chosen.size;
    byId("cv-shelf-chosen").hidden = !count;
    if (!count) this.ask("");
    byId("cv-shelf-count").textContent = `${count} chosen`;
    const all = byId("cv-shelf-all");
    all.checked = count > 0 && this.shown.every((id) => this.chosen.has(id));
    all.indeterminate = count > 0 && !all.checked;
    byId("cv-documents").classList.toggle("has-chosen", count > 0);
  }

  choose(ids, isChosen) {
    for (const id of ids) this.chosen[isChosen ? "add" : "delete"](id);
    this.events.redraw();
  }

  box(document) {
    return make("input", { type: "checkbox", class: "cv-choose", "aria-label": `Choose ${document.name}`, "data-key": `choose-${document.id}`,
      ...(this.chosen.has(document.id) ? { checked: true } : {}), onchange: ({ target }) => this.choose([document.id], target.checked) });
  }

  // A fact: a click lists the documents that have it, too.
  fact(words, document) {
    return make("button", { type: "button", class: "cv-fact", title: `Documents with ${words}`, "data-key": `fact-${document.id}-${words}`, onclick: () => {
      this.filter.value = this.filter.value === words ? "" : words;
      this.events.redraw();
    } }, words);
  }

  get chosenDocuments() {
    return [...this.documents.values()].filter(({ id }) => this.chosen.has(id));
  }

  ask(question) {
    const form = byId("cv-shelf-question");
    form.hidden = !question;
    form.dataset.question = question;
    if (!question) return;
    const isDelete = question === "delete";
    const documents = this.chosenDocuments;
    const pages = documents.reduce((sum, each) => sum + each.pages, 0);
    byId("cv-shelf-asked").textContent = isDelete
      ? `Delete ${plural(documents.length, "document")} with ${plural(pages, "page")}?`
      : `Note with ${plural(documents.length, "document")}, beside what is noted:`;
    const facts = byId("cv-shelf-facts");
    Object.assign(facts, { hidden: isDelete, value: "", required: !isDelete });
    byId("cv-shelf-do").textContent = isDelete ? "Delete" : "Note";
    byId("cv-shelf-do").classList.toggle("cv-danger", isDelete);
    (isDelete ? byId("cv-shelf-keep") : facts).focus();
  }

  // One after the other: what fails is told, and those before it are done.
  answer() {
    const isDelete = byId("cv-shelf-question").dataset.question === "delete";
    const pairs = factsOf(byId("cv-shelf-facts").value);
    const documents = this.chosenDocuments;
    this.ask("");
    return this.events.act(async () => {
      for (const each of documents) {
        if (isDelete) await api.remove(each.id);
        else await api.setFacts(each.id, joined(each.metadata, pairs));
        this.chosen.delete(each.id);
      }
    });
  }

  // The row of a document while its name and its facts are edited.
  /** @param {Api.DocumentView} document */
  edit(document) {
    const form = this.form(document);
    this.editing = { id: document.id, form };
    this.events.redraw();
    form.querySelector("input")?.select();
  }

  /** @param {Api.DocumentView} document */
  form(document) {
    const input = (name, value) => make("input", { value, autocomplete: "off", spellcheck: "false", "data-key": `edit-${name}` });
    const [name, facts] = [input("name", document.name), input("facts", factWords(document.metadata).join(", "))];
    name.required = true;
    const stop = () => {
      this.editing = null;
      this.events.redraw();
      focusOn(`edit-${document.id}`);
    };
    const save = async (event) => {
      event.preventDefault();
      const pairs = factsOf(facts.value);
      const called = name.value.trim();
      await this.events.act(async () => {
        if (called !== document.name) await api.rename(document.id, called);
        if (pairs.join() !== factsOf(factWords(document.metadata).join(", ")).join()) await api.setFacts(document.id, pairs);
        stop();
      });
    };
    return make("form", { class: "cv-edit", onsubmit: save, onkeydown: (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      stop();
    } },
    make("label", {}, "Name", name), make("label", {}, "Facts and tags", facts),
    make("p", { class: "cv-limits" }, "machine=pump, year=2010, #urgent"),
    make("p", { class: "cv-acts" }, make("button", { type: "submit", class: "cv-button" }, "Save"),
      make("button", { type: "button", class: "cv-button", onclick: stop }, "Cancel")));
  }
}

// What is noted, with what is added: a name has one value.
function joined(metadata, pairs) {
  const facts = new Map(Object.entries(metadata).map(([name, value]) => [name, String(value)]));
  for (const pair of pairs) facts.set(pair.slice(0, pair.indexOf("=")).trim(), pair.slice(pair.indexOf("=") + 1).trim());
  return [...facts].map((pair) => pair.join("="));
}
