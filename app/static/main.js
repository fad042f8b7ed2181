// The page as a whole: what is searched for, what was found, which page is open.

import { addressOf, readAddress, writeAddress } from "./address.js";
import { Answers } from "./answers.js";
import * as api from "./api.js";
import { Banner } from "./banner.js";
import { ChosenPages } from "./chosen_pages.js";
import { Collections, FIRST } from "./collections.js";
import { Compare } from "./compare.js";
import { byId, say } from "./dom.js";
import { showDocumentFilter } from "./document_filter.js";
import { ExampleQuery, exampleName } from "./example_query.js";
import { bindKeys } from "./keys.js";
import { Questions } from "./questions.js";
import { Overlay } from "./overlay.js";
import { Reader } from "./reader.js";
import { Results } from "./results.js";
import { offer, tellFailure } from "./search_message.js";
import { Settings } from "./settings.js";
import { isActive, Sidebar } from "./sidebar.js";
import { offerSuggestions } from "./suggestions.js";
import { summarise } from "./summary.js";
import { Uploads } from "./upload.js";

const WIDE = matchMedia("(min-width: 900px)");
const WIDEST = matchMedia("(min-width: 1600px)"); // an open page has room beside two lists
const TITLE = "colvision";

const PLACES = ["cv-status", "cv-query", "cv-results"]; // one in each part of the page

// Gradio fills each part in its own time; these scripts may be there before.
/** @returns {Promise<void>} */
function whenFilled() {
  const isFilled = () => PLACES.every((id) => document.getElementById(id));
  if (isFilled()) return Promise.resolve();
  return new Promise((done) => {
    new MutationObserver((_, observer) => {
      if (!isFilled()) return;
      observer.disconnect();
      done();
    }).observe(document.body, { childList: true, subtree: true });
  });
}

export async function start() {
  await whenFilled();
  document.getElementById("cv-opening")?.remove();
  const app = new App();
  window.addEventListener("popstate", () => app.restore());
  bindKeys(app);
  app.sidebar.watch();
  return app.restore();
}

class App {
  constructor() {
    this.state = readAddress();
    /** @type {Api.Answers["GET /search"] | null} */
    this.answer = null;
    /** @type {Api.Answers["GET /library"] | null} */
    this.library = null;
    /** @type {number | null} */
    this.pagesThen = null; // what the collection held when the search was made
    const collectionName = () => this.state.collection;
    this.sidebar = new Sidebar({
      open: (document) => this.open(document, 1, { push: true }),
      changed: (library) => this.libraryChanged(library),
      collection: collectionName,
      back: () => this.serverIsBack(),
    });
    this.collections = new Collections({ choose: (name) => this.enter(name), act: (action) => this.sidebar.act(action) });
    this.uploads = new Uploads({ collection: collectionName, names: (name) => this.namesIn(name), documents: (name) => this.documentsIn(name),
      added: () => this.sidebar.refresh() });
    this.questions = new Questions({ go: (address) => this.go(address) });
    this.chosen = new ChosenPages({
      open: () => (this.isPageOpen ? [this.state.page_of, this.state.page_number] : null),
      changed: () => [this.results, this.compare.list].forEach((list) => list.showChosen()),
    });
    this.banner = new Banner({ act: (action) => this.sidebar.act(action) });
    this.settings = new Settings({ changed: (settings) => this.adjust(settings) });
    const cards = {
      choose: (hit, query) => this.open(hit.document_id, hit.page, { push: true, query }),
      judged: () => this.sidebar.refresh(),
      folder: (id) => this.sidebar.folders.get(id),
      chosen: this.chosen,
    };
    this.results = new Results(byId("cv-results"), cards);
    this.compare = new Compare(cards);
    this.answers = new Answers({ open: (document, page, probe) => this.open(document, page, { push: true, probe }) });
    this.inspector = new Reader(document.querySelector("#cv-inspector .cv-inspector"), api, {
      page: (page) => this.open(this.state.page_of, page, { probe: this.state.probe }),
      word: (word) => this.remember({ word }),
      probe: (probe, page) => this.open(this.state.page_of, page, { probe }),
      close: () => this.close(),
      like: () => this.moreLike(),
      document: (id) => this.library?.documents.find((each) => each.id === id),
      folder: (id) => this.sidebar.folders.get(id),
    });
    this.exampleQuery = new ExampleQuery({
      image: (image) => this.ask({ image }),
      remove: () => this.ask({}).then(() => byId("cv-query").focus()),
      complain: (sentence) => {
        this.exampleQuery.show(this.state, this.library);
        say(byId("cv-message"), sentence);
      },
    });
    byId("cv-search").addEventListener("submit", (event) => {
      event.preventDefault();
      const q = byId("cv-query").value.trim();
      this.questions.reveal(false);
      if (!q && !this.hasQuery) return say(byId("cv-message"), "Type a few words, or choose an image to search by.");
      this.ask(q ? { q } : { image: this.state.image });
    });
    byId("cv-document-filter").addEventListener("change", () => {
      const { q, image } = this.state;
      if (q || image) this.ask({ q, image });
    });
    this.libraryDrawer = new Overlay(byId("cv-sidebar"), { narrow: "(max-width: 1180px)", label: "Library", close: () => this.drawer(false) });
    for (const button of [byId("cv-drawer-open"), byId("cv-drawer-close")]) button.addEventListener("click", () => this.drawer());
  }

  drawer(shown = !byId("cv-frame").classList.contains("has-drawer")) {
    byId("cv-frame").classList.toggle("has-drawer", shown);
    byId("cv-drawer-open").setAttribute("aria-expanded", String(shown));
    this.libraryDrawer.show(shown);
  }

  /** @param {Partial<import("./address.js").State>} change */
  remember(change, options = {}) {
    this.state = { ...this.state, ...change };
    writeAddress(this.state, options);
    this.entitle();
  }

  // The tab is called as what is looked at: the question, or the page that is open.
  entitle() {
    const { q, page_of: document, page_number: page } = this.state;
    const name = this.library?.documents.find((each) => each.id === document)?.name;
    const what = q || exampleName(this.state, this.library) || (name && `${name}, page ${page}`);
    window.document.title = what ? `${what} – ${TITLE}` : TITLE;
  }

  // To an address of before, as `questions` keeps it.
  go(address) {
    history.pushState(null, "", `${location.pathname}?${address}`);
    return this.restore();
  }

  get isPageOpen() {
    return Boolean(this.inspector?.isOpen && this.state.page_of);
  }

  // Brings back what the address says.
  async restore() {
    this.state = readAddress();
    writeAddress(this.state); // a link of an earlier version gets today's names
    const address = location.href;
    this.settings.show(this.state);
    this.showQuery();
    if (this.library) this.libraryChanged(this.library);
    const { page_of: document, page_number: page, word, probe } = this.state;
    if (this.hasQuery) await this.search({ keep: Boolean(document) });
    else {
      if (!document) this.inspector.hide(); // first: the welcome is shown where no page is
      this.blank();
    }
    await this.sidebar.listed;
    if (location.href !== address) return; // the user, or the search itself, went on meanwhile
    if (document) await this.open(document, page, { word, probe });
  }

  // Another collection: the same is searched for there.
  enter(name) {
    this.inspector.hide();
    this.remember({ collection: name, document: "", page_of: "", word: "", probe: "" }, { push: true });
    if (this.library) {
      this.sidebar.show(this.library);
      this.libraryChanged(this.library);
    }
    this.remember({ like: "" });
    if (!this.collection) this.remember({ q: "", image: "" });
    this.showQuery();
    return this.hasQuery ? this.search({ keep: false }) : this.blank();
  }

  // Another grouping asks nothing anew. Two lists and a page that have no room beside each other: the lists stay.
  adjust(settings) {
    const { grouped, ...asked } = settings;
    const isAskedAnew = Object.entries(asked).some(([name, value]) => this.state[name] !== value);
    const isCompared = settings.compare && settings.compare !== this.state.compare;
    this.remember(settings, { push: true });
    if (!isAskedAnew) return this.showAnswer();
    if (isCompared && !WIDEST.matches && this.isPageOpen) this.close();
    return this.hasQuery && this.search({ keep: Boolean(this.state.page_of) });
  }

  showAnswer() {
    this.results.show(this.answer, this.state);
    if (this.isPageOpen) this.results.mark(this.state.page_of, this.state.page_number);
  }

  // What had failed for want of it is asked for again.
  async serverIsBack() {
    if (this.isDown && this.hasQuery) await this.search({ keep: this.isPageOpen });
    if (this.isPageOpen && this.inspector.isLost) await this.inspector.again();
  }

  get hasQuery() {
    return Boolean(this.state.q || this.state.like || this.state.image);
  }

  showQuery() {
    byId("cv-query").value = this.state.q;
    this.exampleQuery.show(this.state, this.library);
  }

  // Pages like the one that is open.
  moreLike() {
    const like = `${this.state.page_of}:${this.state.page_number}`;
    this.remember({ q: "", image: "", document: "", like, page_of: "", word: "", probe: "" }, { push: true });
    this.showQuery();
    return this.search({ keep: false });
  }

  blank() {
    this.searching?.abort();
    byId("cv-app").classList.remove("is-busy");
    this.answer = null;
    this.results.clear();
    this.answers.show(null, this.state);
    this.compare.hide();
    say(byId("cv-summary"), "");
    say(byId("cv-message"), "");
    this.layout();
  }

  // With words or with an image; with neither, nothing is searched for any more.
  async ask({ q = "", image = "" }) {
    const words = q.trim().replace(/\s+/g, " ");
    const document = byId("cv-document-filter").value;
    this.remember({ q: words, image, document, like: "", page_of: "", word: "", probe: "" }, { push: true });
    this.showQuery();
    if (this.hasQuery) return this.search({ keep: false });
    this.inspector.hide();
    return this.blank();
  }

  // `keep`: a page is open already, or about to be; else the best one is opened where there is room beside the list.
  async search({ keep }) {
    this.searching?.abort();
    const { signal } = (this.searching = new AbortController());
    api.forgetExplanations();
    byId("cv-app").classList.add("is-busy");
    this.pagesThen = this.collection?.pages ?? null;
    try {
      const wait = (reason, seconds) => this.tellWait(reason, seconds);
      const answer = await api.search(this.state, { signal, wait });
      await this.sidebar.listed; // what a result is called depends on the other documents
      if (signal.aborted) return;
      this.answer = answer;
      this.isDown = false;
      if (this.state.q) this.questions.note(this.state.q, this.state.collection, addressOf({ ...this.state, page_of: "", word: "", probe: "" }));
      if (!this.state.document && !this.state.where) this.pagesThen = answer.pages; // the list of documents may be older
      say(byId("cv-message"), this.answer.notice);
    } catch (error) {
      if (signal.aborted) return;
      this.answer = null;
      this.isDown = Boolean(error.isDown);
      this.complain(error);
    }
    byId("cv-app").classList.remove("is-busy");
    this.results.show(this.answer, this.state);
    this.answers.show(this.answer, this.state);
    this.compare.show(this.state, this.answer, signal);
    this.summarise();
    this.layout();
    if (keep) return;
    byId("cv-results").scrollTop = 0;
    const [best] = this.results.ordered;
    if (best && WIDE.matches && !this.state.compare) await this.open(best.document_id, best.page);
    else this.inspector.hide();
  }

  // The server is busy, and is asked again by itself unless the user will not wait.
  tellWait(reason, seconds) {
    const stop = () => {
      this.searching?.abort();
      byId("cv-app").classList.remove("is-busy");
      say(byId("cv-message"), reason);
    };
    offer(`${reason} Asked again in ${Math.ceil(seconds)} s.`, "Do not wait", stop);
  }

  complain(error) {
    if (this.collection?.needs_reencoding) return say(byId("cv-message"), ""); // the banner says it, and what to do
    const widen = (wider) => {
      this.remember(wider, { push: true });
      this.restore();
    };
    return tellFailure(error, this.state, { widen, isNew: this.collections.made.has(this.state.collection) });
  }

  summarise() {
    const added = this.collection && !this.state.document ? this.collection.pages - (this.pagesThen ?? this.collection.pages) : 0;
    const isLimited = Boolean(this.state.document || this.state.where);
    const again = () => this.search({ keep: true });
    summarise(this.answer, { added, again, judged: this.library?.judgements ?? 0, isLimited, what: exampleName(this.state, this.library) });
  }

  // `query` is that of the list that was clicked: the compared one may be asked in another way.
  async open(document, page, { push = false, word = "", probe = "", query = this.state } = {}) {
    this.drawer(false);
    this.remember({ page_of: document, page_number: page, word, probe }, { push });
    this.results.mark(document, page);
    this.layout(true);
    this.chosen.draw();
    const probed = probe || !this.answer ? { q: probe, like: "", image: "" } : {};
    const found = this.answer?.hits.filter((hit) => hit.document_id === document) ?? [];
    const ranks = new Map(found.map((hit) => [hit.page, hit.rank]));
    await this.inspector.show({ query: { ...query, ...probed }, document, page, word, probe, ranks });
  }

  close() {
    this.inspector.hide();
    this.remember({ page_of: "", word: "", probe: "" }, { push: true });
    this.results.mark("", 0);
    this.layout();
    this.chosen.draw();
  }

  // From one result to the next, up or down the list.
  step(by) {
    const hits = this.results.ordered;
    if (!hits.length) return;
    const at = hits.findIndex((hit) => hit.document_id === this.state.page_of && hit.page === this.state.page_number);
    const next = hits[Math.min(hits.length - 1, Math.max(0, at + by))];
    this.open(next.document_id, next.page).then(() => this.results.reveal());
  }

  layout(isOpen = this.inspector.isOpen) {
    const work = byId("cv-app");
    const isBlank = !this.hasQuery && !isOpen;
    work.classList.toggle("is-blank", isBlank);
    work.classList.toggle("has-page", isOpen);
    work.classList.toggle("has-results", Boolean(this.answer?.hits.length));
    this.suggest();
  }

  suggest() {
    offerSuggestions(this.documents, { isIdle: !this.hasQuery, choose: (q) => this.ask({ q }) });
  }

  // The collection that is looked at, once the server has told of it.
  get collection() {
    return this.library?.collections.find((each) => each.name === this.state.collection);
  }

  // The documents of that collection.
  get documents() {
    return this.documentsIn(this.state.collection);
  }

  documentsIn(collection) {
    return this.library?.documents.filter((each) => each.collection === collection) ?? [];
  }

  // What documents of a collection are called, and files that are about to become some.
  namesIn(collection) {
    const { documents = [], jobs = [] } = this.library ?? {};
    const named = [...documents, ...jobs.filter(isActive)].filter((each) => each.collection === collection);
    return new Set(named.map((each) => each.name));
  }

  /** @param {Api.Answers["GET /library"]} library */
  libraryChanged(library) {
    const kept = new Set(library.documents.map((each) => each.id));
    const gone = new Map(this.library?.documents.filter(({ id }) => !kept.has(id)).map((each) => [each.id, each.name]));
    const before = new Map(this.library?.documents.map(({ id, added }) => [id, added]));
    const replaced = new Set(library.documents.filter(({ id, added }) => before.has(id) && before.get(id) !== added));
    const wasStale = this.collection?.needs_reencoding;
    const wasThere = this.library && this.collection;
    const documentsThen = this.documents;
    const isOther = this.library && pagesOf(this.library) !== pagesOf(library);
    if (isOther) api.forgetExplanations();
    this.library = library;
    if (wasThere && !this.collection) return this.collectionGone(documentsThen, library);
    this.pagesThen ??= this.collection?.pages ?? null;
    this.compare.offer(library.collections, this.state);
    this.settings.offer(library.reranker);
    this.answers.offer(library.answers);
    this.collections.show(library.collections, this.state.collection);
    this.banner.show(library, this.state.collection);
    if (this.collection?.needs_reencoding) say(byId("cv-message"), "");
    if (!this.exampleQuery.isSending) this.exampleQuery.show(this.state, library);
    const here = this.documents;
    showDocumentFilter(here, this.sidebar.folders, this.state.document);
    byId("cv-drawer-count").textContent = here.length ? String(here.length) : "";
    this.summarise();
    this.suggest();
    this.entitle();
    this.chosen.show(library.documents.filter((each) => !replaced.has(each)));
    if (gone.size) this.documentsDeleted(gone);
    else if (replaced.size) this.documentsReplaced();
    else if (isOther && this.inspector.isLost) this.inspector.again(); // it may be read by now
    else if (wasStale && !this.collection?.needs_reencoding && this.hasQuery) this.restore();
  }

  // The collection that is looked at was renamed elsewhere, and is followed, or it was deleted.
  /** @param {Api.DocumentView[]} documents
   * @param {Api.Answers["GET /library"]} library */
  collectionGone(documents, library) {
    const ids = new Set(documents.map(({ id }) => id));
    const moved = library.documents.find(({ id }) => ids.has(id))?.collection;
    const { collection } = this.state;
    this.enter(moved ?? FIRST);
    say(byId("cv-message"), moved ? `The collection ${collection} is called ${moved} now.` : `The collection ${collection} was deleted.`);
  }

  // Another version has the id of the one before: what is shown may be of that one.
  async documentsReplaced() {
    if (this.hasQuery) await this.search({ keep: true });
    if (this.inspector.isOpen) await this.inspector.again();
  }

  // Documents that were deleted, here or in another tab: a page of one is not swapped for another page.
  async documentsDeleted(gone) {
    const name = gone.get(this.state.page_of);
    if (name) this.close();
    if (gone.has(this.state.document)) this.remember({ document: "" });
    if (this.hasQuery) await this.search({ keep: true });
    if (name) say(byId("cv-message"), `The document ${name} was deleted.`);
  }
}

// What explanations depend on: jobs that only get on, and judgements, change none.
/** @param {Api.Answers["GET /library"]} library */
const pagesOf = ({ collections, documents, encoder }) => JSON.stringify([collections, documents, encoder]);
