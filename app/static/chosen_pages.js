// Pages that were chosen from any answers, to be saved as one file.

import * as api from "./api.js";
import { byId, make, plural } from "./dom.js";
import { tab } from "./storage.js";

const KEY = "colvision-pages"; // in this tab's storage: a reload does not lose them

export class ChosenPages {
  constructor(events) {
    this.events = events; // open() -> [document, page] that is open, null where none is; changed()
    /** @type {[string, number][]} */
    this.pages = tab.list(KEY).filter((each) => typeof each?.[0] === "string" && Number.isInteger(each[1]));
    byId("cv-chosen-none").addEventListener("click", () => this.keep([]));
    byId("cv-chosen-open").addEventListener("click", () => {
      const [document, page] = this.events.open();
      this.toggle(document, page);
    });
  }

  /** @param {string} document
   * @param {number} page */
  has(document, page) {
    return this.pages.some(([id, number]) => id === document && number === page);
  }

  toggle(document, page) {
    const others = this.pages.filter(([id, number]) => id !== document || number !== page);
    this.keep(this.has(document, page) ? others : [...others, [document, page]]);
  }

  // Those of documents that are gone, or another file now, are chosen no more: `documents` are the others.
  /** @param {Api.DocumentView[]} documents */
  show(documents) {
    const here = new Set(documents.map(({ id }) => id));
    const kept = this.pages.filter(([id]) => here.has(id));
    if (kept.length < this.pages.length) this.keep(kept);
    else this.draw();
  }

  /** @param {[string, number][]} pages */
  keep(pages) {
    this.pages = pages;
    tab.set(KEY, JSON.stringify(pages));
    this.draw();
    this.events.changed();
  }

  draw() {
    byId("cv-chosen").hidden = !this.pages.length;
    byId("cv-chosen-count").textContent = `${plural(this.pages.length, "page")} chosen`;
    byId("cv-chosen-pdf").href = api.exported(this.pages, "pdf");
    byId("cv-chosen-png").href = api.exported(this.pages, "png");
    const open = this.events.open();
    byId("cv-chosen-open").hidden = !open || this.has(open[0], open[1]);
  }

  // For a result.
  /** @param {Api.HitView} hit
   * @param {string} name */
  box(hit, name) {
    return make("input", { type: "checkbox", class: "cv-choose-page", title: "Choose the page, to save it with others",
      "aria-label": `Choose page ${hit.page} of ${name}`, "data-document": hit.document_id, "data-page": hit.page, ...(this.has(hit.document_id, hit.page) ? { checked: true } : {}),
      onchange: () => this.toggle(hit.document_id, hit.page) });
  }
}
