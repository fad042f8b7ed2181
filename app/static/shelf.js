// The list of documents as its reader wants it: in what order, which of them, and several at once.

import * as api from "./api.js";
import { byId, make, plural, say } from "./dom.js";
import { factsOf, factWords } from "./facts.js";

const ORDER = "colvision-order"; // in this browser's storage
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
    this.chosen = new Set(); // ids
    this.shown = [];
    this.editing = null; // { id, form }: the form stays while the list is drawn anew around it
    this.filter = byId("cv-shelf-filter");
    this.order = byId("cv-shelf-order");
    this.order.value = kept() ?? "name";
    if (!ORDERS[this.order.value]) this.order.value = "name";
    this.filter.addEventListener("input", () => this.events.redraw());
    this.order.addEventListener("change", () => {
      keep(this.order.value);
      this.events.redraw();
    });
    byId("cv-shelf-all").addEventListener("change", ({ target }) => this.choose(this.shown, target.checked));
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
  arrange(documents, folders) {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = (each) => [each.name, folders.get(each.id) ?? "", ...factWords(each.metadata)].join(" ").toLowerCase();
    const found = documents.filter((each) => words.every((word) => text(each).includes(word)));
    return found.sort(ORDERS[this.order.value]);
  }

  // `documents` are all of the collection, `found` those that are listed.
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

  ask(question) {
    const form = byId("cv-shelf-question");
    form.hidden = !question;
    form.dataset.question = question;
    if (!question) return;
    const isDelete = question === "delete";
    const documents = [...this.chosen].map((id) => this.documents.get(id));
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
    const documents = [...this.chosen].map((id) => this.documents.get(id));
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
  edit(document) {
    this.editing = { id: document.id, form: this.form(document) };
    this.events.redraw();
    this.editing.form.querySelector("input").select();
  }

  form(document) {
    const field = (name, label, value) => make("label", {}, label, make("input", { name, value, autocomplete: "off", spellcheck: "false", "data-key": `edit-${name}` }));
    const stop = () => {
      this.editing = null;
      this.events.redraw();
      window.document.querySelector(`[data-key="edit-${CSS.escape(document.id)}"]`)?.focus();
    };
    const save = async (event) => {
      event.preventDefault();
      const { name, facts } = Object.fromEntries(new FormData(form));
      const pairs = factsOf(facts);
      await this.events.act(async () => {
        if (name.trim() !== document.name) await api.rename(document.id, name.trim());
        if (pairs.join() !== factsOf(factWords(document.metadata).join(", ")).join()) await api.setFacts(document.id, pairs);
        stop();
      });
    };
    const form = make("form", { class: "cv-edit", onsubmit: save, onkeydown: (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      stop();
    } },
    field("name", "Name", document.name), field("facts", "Facts and tags", factWords(document.metadata).join(", ")),
    make("p", { class: "cv-limits" }, "machine=pump, year=2010, #urgent"),
    make("p", { class: "cv-acts" }, make("button", { type: "submit", class: "cv-button" }, "Save"),
      make("button", { type: "button", class: "cv-button", onclick: stop }, "Cancel")));
    form.elements.name.required = true;
    return form;
  }
}

// What is noted, with what is added: a name has one value.
function joined(metadata, pairs) {
  const facts = new Map(Object.entries(metadata).map(([name, value]) => [name, String(value)]));
  for (const pair of pairs) facts.set(pair.slice(0, pair.indexOf("=")).trim(), pair.slice(pair.indexOf("=") + 1).trim());
  return [...facts].map((pair) => pair.join("="));
}

// Where the browser is told to keep nothing, the order is that of the names.
function kept() {
  try {
    return localStorage.getItem(ORDER);
  } catch {
    return null;
  }
}

function keep(order) {
  try {
    localStorage.setItem(ORDER, order);
  } catch {
    // it is kept until the page is left
  }
}
