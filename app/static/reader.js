// The inspector in the application: pages come from the library, and the document around them can be read.

import { afterPaint, plural, say } from "./dom.js";
import { Find } from "./find.js";
import { Inspector } from "./inspector.js";
import { nameToTell } from "./names.js";
import { Overlay } from "./overlay.js";
import { Thumbnails } from "./thumbnails.js";

const NARROW = "(max-width: 899px)"; // the page lies above the results

export class Reader extends Inspector {
  source; overlay; thumbnails; find; request; asked;

  // `source` answers as api.js does. Events besides those of an inspector: page(number), probe(text, page), like(),
  // close(), document(id) and folder(id) -> as the list has them.
  constructor(root, source, events) {
    super(root, events);
    this.source = source;
    root.classList.add("is-reader");
    this.overlay = new Overlay(root, { narrow: NARROW, label: "Page", close: () => events.close() });
    this.thumbnails = new Thumbnails(root, source, { page: (page) => events.page(page) });
    this.find = new Find(root, source, { go: events.probe, changed: (found) => this.thumbnails.mark(found) });
    this.bindReader();
  }

  bindReader() {
    const { part } = this;
    this.press("previous", () => this.turn(-1));
    this.press("next", () => this.turn(1));
    this.press("close", () => this.events.close());
    this.press("print", () => print());
    this.press("like", () => this.events.like());
    this.press("copy", () => this.copy());
    part("turn").addEventListener("submit", (event) => {
      event.preventDefault();
      this.goToTyped(Number.parseInt(part("number").value, 10));
    });
    part("number").addEventListener("blur", () => this.tellPlace());
  }

  hide() {
    this.panel.hidden = true;
    this.request = {};
    this.asked = null;
    this.overlay.show(false);
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  // A page was asked for that cannot be shown.
  get isLost() {
    return Boolean(this.asked) && this.panel.classList.contains("is-lost");
  }

  // The library is another one now: nothing that was found in it is kept.
  again() {
    this.find.forget();
    return this.show(this.asked);
  }

  // What is shown belongs together: nothing is replaced before both image and explanation are there. `ranks` are those
  // of the document's pages that were found, by number.
  async show(asked) {
    const { query, document, page, word, probe, ranks } = (this.asked = asked);
    const request = (this.request = {});
    this.open();
    this.panel.classList.add("is-busy");
    const isExample = Boolean(query.like || query.image);
    const hasQuery = query.q || isExample;
    const words = this.source.readWords(document, page).catch(() => null); // they are read, the page is shown before
    try {
      const [image, why, read] = await Promise.all([
        this.source.loadPageImage(document, page),
        hasQuery ? this.source.explain(query, document, page) : null,
        hasQuery ? null : this.source.readDocument(document),
      ]);
      if (this.request !== request) return;
      say(this.part("page-message"), "");
      say(this.part("page-notes"), this.notes(document, page));
      this.panel.classList.toggle("is-example", isExample);
      this.take({ image, why, document, page, name: why?.document ?? read.name, pages: why?.pages ?? read.pages, ranks });
      this.choose(this.numberOf(word), { silent: true });
      this.view.reveal();
      this.find.show({ document, page, text: probe });
      afterPaint().then(() => words).then((read) => this.request === request && this.view.read(read?.words ?? [])); // laid out, they hold up the page
    } catch (error) {
      const [reason, known] = await whyLost(this.source, document, page, error);
      if (this.request !== request) return;
      say(this.part("page-message"), reason);
      say(this.part("page-notes"), "");
      this.take(known);
    } finally {
      if (this.request === request) this.panel.classList.remove("is-busy");
    }
  }

  open() {
    this.panel.hidden = false;
    const wasOpen = this.overlay.isShown;
    this.overlay.show(true);
    if (!wasOpen && this.overlay.dialog.open) this.part("stage").focus();
  }

  take(page) {
    const { part } = this;
    if (page?.document !== this.page?.document) this.view.turn(0);
    const title = page ? nameToTell(page.name, this.events.folder(page.document)) : "";
    super.take(page && { ...page, title, label: `Page ${page.page} of ${page.name}` });
    part("turn").hidden = !page;
    this.tellPlace();
    if (!page?.image) return;
    const isPdf = this.events.document(page.document)?.kind === "pdf";
    part("open").href = this.source.originalFile(page.document, isPdf ? page.page : null);
    part("open").textContent = isPdf ? "Open PDF" : "Open the image";
    part("open").title = isPdf ? `The original, at page ${page.page}` : "The original";
    this.thumbnails.show({ document: page.document, pages: page.pages, page: page.page, ranks: page.ranks ?? new Map() });
  }

  // The number can be typed; what a screen reader hears of a turned page stands beside it.
  tellPlace() {
    const { part, page } = this;
    part("place").textContent = page ? `page ${page.page} of ${page.pages}` : "";
    part("number").value = page?.page ?? "";
    part("of").textContent = `of ${page?.pages ?? ""}`;
    for (const [name, isEnd] of [["previous", !page || page.page <= 1], ["next", !page || page.page >= page.pages]]) {
      if (isEnd && part(name) === document.activeElement) part("number").focus();
      part(name).disabled = isEnd;
    }
  }

  // What of this page was not read although it is there.
  notes(document, page) {
    const notes = this.events.document(document)?.health.notes ?? [];
    return notes.filter(({ pages }) => pages.includes(page)).map(({ text }) => `This page ${text}.`).join(" ");
  }

  turn(by) {
    if (this.page && this.isOpen) this.goTo(this.number + by);
  }

  // The page that is shown, or that is about to be: who presses Next three times is three pages on.
  get number() {
    return this.asked?.document === this.page.document ? this.asked.page : this.page.page;
  }

  // A number as it is typed: another page than that one is not shown without a word.
  async goToTyped(number) {
    const { pages } = this.page;
    await this.goTo(number);
    if (number > pages && this.number === pages) say(this.part("page-message"), `This document has ${plural(pages, "page")}.`);
  }

  // To the nearest page that there is.
  goTo(number) {
    const page = Math.max(1, Math.min(this.page.pages, number));
    if (page && page !== this.number) return this.events.page(page);
    return this.tellPlace();
  }

  get fileName() {
    return `${this.page.name.replace(/\.[^.]+$/, "")}-page-${this.page.page}`;
  }

  async copy() {
    const button = this.part("copy");
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "Link copied";
    } catch {
      button.textContent = "Copy it from the address bar";
    }
    setTimeout(() => {
      button.textContent = "Copy link";
      if (this.part("tools").matches(":popover-open")) this.part("tools").hidePopover();
    }, 2000);
  }
}

// Why a page cannot be shown, and what is known of it: its document can be leafed through all the same.
async function whyLost(source, document, page, error) {
  let read;
  try {
    read = await source.readDocument(document);
  } catch (failed) {
    return [failed.status === 404 ? "This document is not in the library, or not any more." : failed.message, null];
  }
  const { name, pages, state } = read;
  const isAwaited = state === "ingesting" && error.status === 404;
  const reason = page > pages && pages ? `Page ${page} cannot be shown: the document has ${plural(pages, "page")}.`
    : isAwaited ? `Page ${page} is not read yet. It is shown here as soon as it is.` : error.message;
  return [reason, { document, page, name, pages, image: null, why: null }];
}
