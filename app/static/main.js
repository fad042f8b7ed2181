// The page as a whole: what was asked, what was found, which page is open.

import { readAddress, writeAddress } from "./address.js";
import * as api from "./api.js";
import { Asked, likeWhat } from "./asked.js";
import { Banner } from "./banner.js";
import { Collections, FIRST } from "./collections.js";
import { Compare } from "./compare.js";
import { byId, make, plural, say } from "./dom.js";
import { Inspector } from "./inspector.js";
import { bindKeys } from "./keys.js";
import { Shelf } from "./library.js";
import { Results } from "./results.js";
import { Settings } from "./settings.js";
import { summarise } from "./summary.js";
import { Uploads } from "./upload.js";

const SAMPLE = "sample-manual";
const EXAMPLES = ["setting the relief valve", "return filter element", "oil hotter than 70 °C", "QH-4423"];
const WIDE = matchMedia("(min-width: 900px)");

export function start() {
  const desk = new Desk();
  window.addEventListener("popstate", () => desk.restore());
  bindKeys(desk);
  desk.shelf.watch();
  return desk.restore();
}

class Desk {
  constructor() {
    this.state = readAddress();
    this.answer = null;
    this.library = null;
    this.pagesThen = null; // what the collection held when the search was made
    const collection = () => this.state.c;
    this.shelf = new Shelf({
      open: (document) => this.open(document, 1, { push: true }),
      changed: (library) => this.libraryChanged(library),
      collection,
    });
    this.collections = new Collections({ choose: (name) => this.enter(name) });
    this.uploads = new Uploads({ collection, added: () => this.shelf.refresh() });
    this.banner = new Banner({ act: (action) => this.shelf.act(action) });
    this.settings = new Settings({ changed: (settings) => this.adjust(settings) });
    const cards = {
      choose: (hit, asked) => this.open(hit.document_id, hit.page, { push: true, asked }),
      judged: () => this.shelf.refresh(),
    };
    this.results = new Results(byId("cv-results"), cards);
    this.compare = new Compare(cards);
    this.inspector = new Inspector({
      page: (page) => this.open(this.state.doc, page, { probe: this.state.probe }),
      word: (word) => this.remember({ word }),
      probe: (probe) => this.open(this.state.doc, this.state.page, { probe }),
      close: () => this.close(),
      like: () => this.moreLike(),
    });
    this.asked = new Asked({
      picture: (picture) => this.ask({ picture }),
      remove: () => this.ask({}).then(() => byId("cv-query").focus()),
      complain: (sentence) => {
        this.asked.show(this.state, this.library);
        say(byId("cv-message"), sentence);
      },
    });
    byId("cv-ask").addEventListener("submit", (event) => {
      event.preventDefault();
      const q = byId("cv-query").value.trim();
      this.ask(q ? { q } : { picture: this.state.picture });
    });
    byId("cv-within").addEventListener("change", () => {
      const { q, picture } = this.state;
      if (q || picture) this.ask({ q, picture });
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
    this.settings.show(this.state);
    this.showQuestion();
    if (this.library) this.libraryChanged(this.library);
    const { doc, page, word, probe } = this.state;
    if (this.isAsked) await this.search({ keep: Boolean(doc) });
    else {
      if (!doc) this.inspector.hide(); // first: the welcome is shown where no page is
      this.blank();
    }
    if (location.href !== address) return; // the user, or the search itself, went on meanwhile
    if (doc) await this.open(doc, page, { word, probe });
  }

  // Another collection: what was asked is asked there.
  enter(name) {
    this.inspector.hide();
    this.remember({ c: name, in: "", doc: "", word: "", probe: "" }, { push: true });
    if (this.library) {
      this.shelf.show(this.library);
      this.libraryChanged(this.library);
    }
    this.remember({ like: "" });
    if (!this.held) this.remember({ q: "", picture: "" });
    this.showQuestion();
    return this.isAsked ? this.search({ keep: false }) : this.blank();
  }

  adjust(settings) {
    this.remember(settings, { push: true });
    if (this.isAsked) this.search({ keep: Boolean(this.state.doc) });
  }

  get isAsked() {
    return Boolean(this.state.q || this.state.like || this.state.picture);
  }

  showQuestion() {
    byId("cv-query").value = this.state.q;
    this.asked.show(this.state, this.library);
  }

  // Pages like the one that is open.
  moreLike() {
    const { doc, page } = this.state;
    this.remember({ q: "", picture: "", in: "", like: `${doc}:${page}`, doc: "", word: "", probe: "" }, { push: true });
    this.showQuestion();
    return this.search({ keep: false });
  }

  blank() {
    this.asking?.abort();
    byId("cv-work").classList.remove("is-busy");
    this.answer = null;
    this.results.clear();
    this.compare.hide();
    say(byId("cv-summary"), "");
    say(byId("cv-message"), "");
    this.layout();
  }

  // With words or with a picture; with neither, nothing is asked any more.
  async ask({ q = "", picture = "" }) {
    const words = q.trim().replace(/\s+/g, " ");
    this.remember({ q: words, picture, in: byId("cv-within").value, like: "", doc: "", word: "", probe: "" }, { push: true });
    this.showQuestion();
    if (this.isAsked) return this.search({ keep: false });
    this.inspector.hide();
    return this.blank();
  }

  // `keep`: a page is open already, or about to be; else the best one is opened where there is room beside the list.
  async search({ keep }) {
    this.asking?.abort();
    const { signal } = (this.asking = new AbortController());
    byId("cv-work").classList.add("is-busy");
    this.pagesThen = this.held?.pages ?? null;
    try {
      const answer = await api.search(this.state, signal);
      if (signal.aborted) return;
      this.answer = answer;
      if (!this.state.in && !this.state.where) this.pagesThen = answer.pages; // the list of documents may be older
      say(byId("cv-message"), this.answer.notice);
    } catch (error) {
      if (signal.aborted) return;
      this.answer = null;
      this.complain(error);
    }
    byId("cv-work").classList.remove("is-busy");
    this.results.show(this.answer, this.state);
    this.compare.show(this.state, this.answer, signal);
    this.summarise();
    this.layout();
    if (keep) return;
    const best = this.answer?.hits[0];
    if (best && WIDE.matches && !this.state.vs) await this.open(best.document_id, best.page);
    else this.inspector.hide();
  }

  // What the search was limited to may have been deleted since the link was made.
  complain(error) {
    const line = byId("cv-message");
    if (this.held?.needs_reencoding) return say(line, ""); // the banner says it, and what to do
    if (error.status !== 404) return say(line, error.message);
    const [gone, wider] = this.state.in ? ["document", { in: "" }] : ["collection", { c: FIRST }];
    const search = () => {
      this.remember(wider, { push: true });
      this.restore();
    };
    say(line, `The ${gone} that this search was limited to is not in the library, or not any more. `);
    line.append(make("button", { type: "button", class: "cv-link", onclick: search }, this.state.in ? "Search all documents" : `Search in ${FIRST}`));
  }

  summarise() {
    const added = this.held && !this.state.in ? this.held.pages - this.pagesThen : 0;
    const isLimited = Boolean(this.state.in || this.state.where);
    const again = () => this.search({ keep: true });
    summarise(this.answer, { added, again, judged: this.library?.judgements ?? 0, isLimited, what: likeWhat(this.state, this.library) });
  }

  // `asked` is the question of the list that was clicked: the compared one may be asked in another way.
  async open(doc, page, { push = false, word = "", probe = "", asked = this.state } = {}) {
    this.drawer(false);
    this.remember({ doc, page, word, probe }, { push });
    this.results.mark(doc, page);
    this.layout(true);
    const probed = probe || !this.answer ? { q: probe, like: "", picture: "" } : {};
    await this.inspector.show({ asked: { ...asked, ...probed }, doc, page, word, probe });
  }

  close() {
    this.inspector.hide();
    this.remember({ doc: "", word: "", probe: "" }, { push: true });
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
    const isBlank = !this.isAsked && !isOpen;
    work.classList.toggle("is-blank", isBlank);
    work.classList.toggle("has-page", isOpen);
    work.classList.toggle("has-results", Boolean(this.answer?.hits.length));
    this.offerExamples();
  }

  offerExamples() {
    const hasSample = this.library?.documents.some((document) => document.name.startsWith(SAMPLE) && document.stored);
    const box = byId("cv-examples");
    box.hidden = !hasSample || this.isAsked;
    if (box.hidden || box.childElementCount) return;
    box.append(make("span", {}, "Try"));
    for (const text of EXAMPLES) {
      box.append(make("button", { type: "button", class: "cv-example", onclick: () => this.ask({ q: text }) }, text));
    }
  }

  // The collection that is looked at, once the server has told of it.
  get held() {
    return this.library?.collections.find((each) => each.name === this.state.c);
  }

  libraryChanged(library) {
    const kept = new Set(library.documents.map((each) => each.id));
    const gone = new Set(this.library?.documents.map((each) => each.id).filter((id) => !kept.has(id)));
    const wasStale = this.held?.needs_reencoding;
    this.library = library;
    this.pagesThen ??= this.held?.pages ?? null;
    this.compare.offer(library.collections, this.state);
    this.collections.show(library.collections, this.state.c);
    this.banner.show(library, this.state.c);
    if (this.held?.needs_reencoding) say(byId("cv-message"), "");
    if (!this.asked.isSending) this.asked.show(this.state, library);
    this.limits(library.documents.filter((each) => each.collection === this.state.c));
    this.summarise();
    this.offerExamples();
    if (gone.size) this.leave(gone);
    else if (wasStale && !this.held?.needs_reencoding && this.isAsked) this.restore();
  }

  limits(documents) {
    const select = byId("cv-within");
    const options = documents.map((each) => make("option", { value: each.id }, each.name));
    select.replaceChildren(make("option", { value: "" }, "All documents"), ...options);
    select.value = documents.some((each) => each.id === this.state.in) ? this.state.in : "";
    byId("cv-drawer-count").textContent = documents.length || "";
  }

  // Documents that were deleted, here or in another tab.
  leave(gone) {
    if (gone.has(this.state.doc)) this.close();
    if (gone.has(this.state.in)) this.remember({ in: "" });
    if (this.isAsked) this.search({ keep: Boolean(this.state.doc) });
  }
}
