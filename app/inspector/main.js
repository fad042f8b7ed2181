// The page as a whole: what was asked, what was found, which page is open.

import { readAddress, writeAddress } from "./address.js";
import * as api from "./api.js";
import { byId, make, plural, say } from "./dom.js";
import { Inspector } from "./inspector.js";
import { bindKeys } from "./keys.js";
import { Shelf } from "./library.js";
import { Results } from "./results.js";

const SAMPLE = "sample-manual";
const EXAMPLES = ["setting the relief valve", "return filter element", "oil hotter than 70 °C", "QH-4423"];
const WIDE = matchMedia("(min-width: 900px)");

export function start() {
  const desk = new Desk();
  window.addEventListener("popstate", () => desk.restore());
  window.addEventListener("colvision:uploaded", () => desk.shelf.refresh());
  bindKeys(desk);
  desk.shelf.watch();
  return desk.restore();
}

class Desk {
  constructor() {
    this.state = readAddress();
    this.answer = null;
    this.library = null;
    this.pagesThen = null; // what the library held when the search was made, in all collections
    this.shelf = new Shelf({
      open: (document) => this.open(document, 1, { push: true }),
      changed: (library) => this.libraryChanged(library),
    });
    this.results = new Results({ choose: (hit) => this.open(hit.document_id, hit.page, { push: true }) });
    this.inspector = new Inspector({
      page: (page) => this.open(this.state.doc, page),
      word: (word) => this.remember({ word }),
      close: () => this.close(),
    });
    byId("cv-ask").addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask(byId("cv-query").value, byId("cv-within").value);
    });
    byId("cv-within").addEventListener("change", () => {
      if (this.state.q) this.ask(byId("cv-query").value, byId("cv-within").value);
    });
    for (const id of ["cv-drawer-open", "cv-drawer-close"]) byId(id).addEventListener("click", () => this.drawer());
  }

  drawer(shown = !byId("cv-frame").classList.contains("has-drawer")) {
    byId("cv-frame").classList.toggle("has-drawer", shown);
    byId("cv-drawer-open").setAttribute("aria-expanded", String(shown));
  }

  remember(change, options) {
    this.state = { ...this.state, ...change };
    writeAddress(this.state, options);
  }

  // Brings back what the address says.
  async restore() {
    const address = location.href;
    this.state = readAddress();
    byId("cv-query").value = this.state.q;
    const { doc, page, word } = this.state;
    if (this.state.q) await this.search({ keep: Boolean(doc) });
    else {
      if (!doc) this.inspector.hide(); // first: the welcome is shown where no page is
      this.blank();
    }
    if (location.href !== address) return; // the user, or the search itself, went on meanwhile
    if (doc) await this.open(doc, page, { word });
  }

  blank() {
    this.asking?.abort();
    byId("cv-work").classList.remove("is-busy");
    this.answer = null;
    this.results.clear();
    say(byId("cv-summary"), "");
    say(byId("cv-message"), "");
    this.layout();
  }

  ask(text, within) {
    const q = text.trim().replace(/\s+/g, " ");
    this.remember({ q, in: within, doc: "", word: "" }, { push: true });
    if (q) return this.search({ keep: false });
    this.inspector.hide();
    return this.blank();
  }

  // `keep`: a page is open already, or about to be; else the best one is opened where there is room beside the list.
  async search({ keep }) {
    this.asking?.abort();
    const { signal } = (this.asking = new AbortController());
    byId("cv-work").classList.add("is-busy");
    this.pagesThen = this.library?.pages ?? null;
    try {
      const answer = await api.search(this.state.q, this.state.in, signal);
      if (signal.aborted) return;
      this.answer = answer;
      say(byId("cv-message"), this.answer.notice);
    } catch (error) {
      if (signal.aborted) return;
      this.answer = null;
      say(byId("cv-message"), error.message);
    }
    byId("cv-work").classList.remove("is-busy");
    this.results.show(this.answer, this.state);
    this.summarise();
    this.layout();
    if (keep) return;
    const best = this.answer?.hits[0];
    if (best && WIDE.matches) await this.open(best.document_id, best.page);
    else this.inspector.hide();
  }

  summarise() {
    const { answer, library } = this;
    const line = byId("cv-summary");
    line.replaceChildren();
    line.hidden = !answer;
    if (!answer) return;
    const { encode = 0, score = 0, total = 0 } = answer.timing_ms;
    const spent = (value) => (value < 9.95 ? value.toFixed(1).replace(/\.0$/, "") : Math.round(value).toString());
    if (answer.pages === 0) {
      line.append("There is no page to search yet: add a document first.");
      return;
    }
    line.append(`Searched ${plural(answer.pages, "page")} in ${spent(total)} ms `);
    line.append(make("span", { class: "cv-quiet" }, `(encode ${spent(encode)}, score ${spent(score)})`));
    const added = library && !this.state.in ? library.pages - this.pagesThen : 0;
    if (added > 0) {
      const again = make("button", { type: "button", class: "cv-link" }, `${plural(added, "page")} added since: search again`);
      again.addEventListener("click", () => this.search({ keep: true }));
      line.append(" ", again);
    }
  }

  async open(doc, page, { push = false, word = "" } = {}) {
    this.drawer(false);
    this.remember({ doc, page, word }, { push });
    this.results.mark(doc, page);
    this.layout(true);
    await this.inspector.show({ query: this.answer ? this.state.q : "", within: this.state.in, doc, page, word });
  }

  close() {
    this.inspector.hide();
    this.remember({ doc: "", word: "" }, { push: true });
    this.results.mark("", 0);
    this.layout();
  }

  // From one result to the next, up or down the list.
  step(by) {
    const hits = this.answer?.hits ?? [];
    if (!hits.length) return;
    const at = hits.findIndex((hit) => hit.document_id === this.state.doc && hit.page === this.state.page);
    const next = hits[Math.min(hits.length - 1, Math.max(0, at + by))];
    this.open(next.document_id, next.page).then(() => this.results.reveal());
  }

  layout(isOpen = !byId("cv-inspector").hidden) {
    const work = byId("cv-work");
    const isBlank = !this.state.q && !isOpen;
    work.classList.toggle("is-blank", isBlank);
    work.classList.toggle("has-page", isOpen);
    work.classList.toggle("has-results", Boolean(this.answer?.hits.length));
    this.offerExamples();
  }

  offerExamples() {
    const hasSample = this.library?.documents.some((document) => document.name.startsWith(SAMPLE) && document.stored);
    const box = byId("cv-examples");
    box.hidden = !hasSample || Boolean(this.state.q);
    if (box.hidden || box.childElementCount) return;
    box.append(make("span", {}, "Try"));
    for (const text of EXAMPLES) {
      const ask = () => {
        byId("cv-query").value = text;
        this.ask(text, byId("cv-within").value);
      };
      box.append(make("button", { type: "button", class: "cv-example", onclick: ask }, text));
    }
  }

  libraryChanged(library) {
    const kept = new Set(library.documents.map((each) => each.id));
    const gone = new Set(this.library?.documents.map((each) => each.id).filter((id) => !kept.has(id)));
    this.library = library;
    this.pagesThen ??= library.pages;
    const select = byId("cv-within");
    const chosen = this.state.in;
    const options = library.documents.map((each) => make("option", { value: each.id }, each.name));
    select.replaceChildren(make("option", { value: "" }, "All documents"), ...options);
    select.value = library.documents.some((each) => each.id === chosen) ? chosen : "";
    byId("cv-drawer-count").textContent = library.documents.length || "";
    this.summarise();
    this.offerExamples();
    if (gone.size) this.leave(gone);
  }

  // Documents that were deleted, here or in another tab.
  leave(gone) {
    if (gone.has(this.state.doc)) this.close();
    if (gone.has(this.state.in)) this.remember({ in: "" });
    if (this.state.q) this.search({ keep: Boolean(this.state.doc) });
  }
}
