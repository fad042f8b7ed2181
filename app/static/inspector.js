// One page, large: its heat, its winning patches, word by word; and the document around it, to be read.

import { keepFocus, make, plural, say } from "./dom.js";
import { Find } from "./find.js";
import { ALL, drawScale, Heatmap } from "./heatmap.js";
import { fillRows, inText } from "./match_table.js";
import { nameToTell } from "./names.js";
import { Overlay } from "./overlay.js";
import { PageView } from "./page_view.js";
import { Thumbnails } from "./thumbnails.js";

const NARROW = "(max-width: 899px)"; // the page lies above the results

export class Inspector {
  panel; source; events; page;

  // `source` answers as api.js does. Events: page(number), word(text), probe(text, page), like(), close(), document(id)
  // and folder(id) -> as the list has them.
  constructor(root, source, events) {
    Object.assign(this, { panel: root, source, events, page: null });
    this.part = (id) => root.querySelector(`#${id}`);
    this.overlay = new Overlay(root, { narrow: NARROW, label: "Page", close: () => events.close() });
    this.view = new PageView(root);
    this.thumbnails = new Thumbnails(root, source, { page: (page) => events.page(page) });
    this.find = new Find(root, source, { go: events.probe, changed: (found) => this.thumbnails.mark(found) });
    this.bind();
    this.dress();
  }

  bind() {
    const { part, view } = this;
    const press = (id, act) => part(id).addEventListener("click", act);
    press("cv-previous", () => this.turn(-1));
    press("cv-next", () => this.turn(1));
    press("cv-close", () => this.events.close());
    press("cv-download", () => this.download());
    press("cv-print", () => print());
    press("cv-like", () => this.events.like());
    press("cv-copy", () => this.copy());
    press("cv-smaller", () => view.zoom(-1));
    press("cv-larger", () => view.zoom(1));
    press("cv-fit", () => view.fitTo("width"));
    press("cv-fit-page", () => view.fitTo("page"));
    press("cv-rotate", () => view.turn());
    press("cv-tools", ({ target }) => target.closest("a, button") && part("cv-tools").matches(":popover-open") && part("cv-tools").hidePopover());
    part("cv-turn").addEventListener("submit", (event) => {
      event.preventDefault();
      this.goTo(Number.parseInt(part("cv-number").value, 10));
    });
    part("cv-number").addEventListener("blur", () => this.tellPlace());
    part("cv-tools").addEventListener("beforetoggle", () => this.hangMenu());
    part("cv-chips").addEventListener("keydown", (event) => this.moveAmongChips(event));
    for (const id of ["cv-heat", "cv-style", "cv-patches"]) part(id).addEventListener("change", () => this.dress());
    part("cv-opacity").addEventListener("input", () => this.dress());
  }

  // As the controls say.
  dress() {
    const { part } = this;
    const style = part("cv-heat").checked ? part("cv-style").value : "";
    drawScale(part("cv-scale"), { isContour: part("cv-style").value === "outline" });
    this.view.set({ style, opacity: part("cv-opacity").value / 100, patches: part("cv-patches").checked });
  }

  hide() {
    this.panel.hidden = true;
    this.request = {};
    this.asked = null;
    this.overlay.show(false);
  }

  get heat() {
    return this.view.heat;
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
      say(this.part("cv-page-message"), "");
      say(this.part("cv-page-notes"), this.notes(document, page));
      this.panel.classList.toggle("is-example", isExample);
      this.take({ image, why, document, page, name: why?.document ?? read.name, pages: why?.pages ?? read.pages, ranks });
      this.choose(this.numberOf(word), { silent: true });
      this.view.reveal();
      this.find.show({ document, page, text: probe });
      words.then((read) => this.request === request && this.view.read(read?.words ?? []));
    } catch (error) {
      const [reason, known] = await whyLost(this.source, document, page, error);
      if (this.request !== request) return;
      say(this.part("cv-page-message"), reason);
      say(this.part("cv-page-notes"), "");
      this.take(known);
    } finally {
      if (this.request === request) this.panel.classList.remove("is-busy");
    }
  }

  open() {
    this.panel.hidden = false;
    const wasOpen = this.overlay.isShown;
    this.overlay.show(true);
    if (!wasOpen && this.overlay.dialog.open) this.part("cv-stage").focus();
  }

  take(page) {
    const { part } = this;
    if (page?.document !== this.page?.document) this.view.turn(0);
    this.page = page;
    const heat = page?.why ? new Heatmap(page.why) : null;
    this.view.show({ image: page?.image ?? null, heat, label: page ? `Page ${page.page} of ${page.name}` : "" });
    this.panel.classList.toggle("has-heat", Boolean(heat));
    this.panel.classList.toggle("is-lost", !page?.image);
    const title = page ? nameToTell(page.name, this.events.folder(page.document)) : "";
    Object.assign(part("cv-title"), { textContent: title, title });
    part("cv-turn").hidden = !page;
    this.tellPlace();
    if (!page?.image) return;
    const isPdf = this.events.document(page.document)?.kind === "pdf";
    part("cv-open").href = this.source.originalFile(page.document, isPdf ? page.page : null);
    part("cv-open").textContent = isPdf ? "Open PDF" : "Open the image";
    part("cv-open").title = isPdf ? `The original, at page ${page.page}` : "The original";
    say(part("cv-whose-order"), page.why?.reranker ? `The order of the results is that of ${page.why.reranker}. Heatmap and table are the encoder's.` : "");
    this.legend();
    keepFocus(part("cv-chips"), () => this.chips());
    keepFocus(part("cv-rows"), () => fillRows(this.panel, heat, page, (number) => this.choose(this.view.word === number ? ALL : number)));
    this.thumbnails.show({ document: page.document, pages: page.pages, page: page.page, ranks: page.ranks ?? new Map() });
  }

  // The number can be typed; what a screen reader hears of a turned page stands beside it.
  tellPlace() {
    const { part, page } = this;
    part("cv-place").textContent = page ? `page ${page.page} of ${page.pages}` : "";
    part("cv-number").value = page?.page ?? "";
    part("cv-of").textContent = `of ${page?.pages ?? ""}`;
    for (const [id, isEnd] of [["cv-previous", !page || page.page <= 1], ["cv-next", !page || page.page >= page.pages]]) {
      if (isEnd && part(id) === document.activeElement) part("cv-number").focus();
      part(id).disabled = isEnd;
    }
  }

  // What of this page was not read although it is there.
  notes(document, page) {
    const notes = this.events.document(document)?.health.notes ?? [];
    return notes.filter(({ pages }) => pages.includes(page)).map(({ text }) => `This page ${text}.`).join(" ");
  }

  numberOf(word) {
    return this.heat && word ? this.heat.matches.findIndex((match) => match.word === word) : ALL;
  }

  legend() {
    if (!this.heat) return;
    const { part } = this;
    const { is_probability, is_lead, shown_from, shown_to } = this.heat.scale;
    part("cv-low").textContent = is_probability ? "0" : shown_from.toFixed(2);
    part("cv-high").textContent = is_probability ? "1" : shown_to.toFixed(2);
    const [unit, more] = is_probability
      ? ["match probability", ", the same on every page"]
      : is_lead ? ["similarity beyond the mean of the results", ""] : ["similarity", ", from this page's median to the best match of the results"];
    part("cv-unit").replaceChildren(unit, make("span", { class: "cv-unit-more" }, more));
    part("cv-measure").textContent = is_probability ? "Match" : "Similarity";
  }

  chips() {
    const words = this.heat?.matches ?? [];
    const chip = (number, text, ...more) =>
      make("button", { type: "button", class: "cv-chip", role: "radio", "data-word": number, onclick: () => this.choose(number) }, text, ...more);
    const measured = ({ strength }) => make("small", {}, strength.toFixed(2).replace(/^0\./, "."));
    this.part("cv-chips").replaceChildren(
      chip(ALL, "All words"),
      ...words.map((match, number) => chip(number, match.word, measured(match), match.in_text ? inText() : null)),
    );
    this.part("cv-in-text").hidden = !words.some((match) => match.in_text);
  }

  // One of them is in the order of Tab, the arrows go to the others.
  moveAmongChips(event) {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation(); // elsewhere they turn pages
    const chips = [...this.part("cv-chips").children];
    const chip = chips[(chips.indexOf(event.target) + by + chips.length) % chips.length];
    this.choose(Number(chip.dataset.word));
    chip.focus();
  }

  choose(number, { silent = false } = {}) {
    this.view.choose(number);
    for (const chip of this.part("cv-chips").children) {
      const isChosen = Number(chip.dataset.word) === number;
      chip.setAttribute("aria-checked", String(isChosen));
      chip.tabIndex = isChosen ? 0 : -1;
    }
    for (const row of this.part("cv-rows").children) row.classList.toggle("is-chosen", Number(row.dataset.word) === number);
    if (silent) return;
    this.view.reveal();
    this.events.word(number === ALL ? "" : this.heat?.matches[number].word);
  }

  nextWord() {
    if (!this.heat || this.panel.hidden) return;
    const next = this.view.word + 1;
    this.choose(next < this.heat.matches.length ? next : ALL);
  }

  toggle(id) {
    this.part(id).checked = !this.part(id).checked;
    this.dress();
  }

  turn(by) {
    if (this.page && !this.panel.hidden) this.goTo(this.number + by);
  }

  // The page that is shown, or that is about to be: who presses Next three times is three pages on.
  get number() {
    return this.asked?.document === this.page.document ? this.asked.page : this.page.page;
  }

  // To the nearest page that there is.
  goTo(number) {
    const page = Math.max(1, Math.min(this.page.pages, number));
    if (page && page !== this.number) this.events.page(page);
    else this.tellPlace();
  }

  // The menu hangs below its button, wherever that is.
  hangMenu() {
    const { right, bottom } = this.part("cv-menu").getBoundingClientRect();
    this.part("cv-tools").style.cssText = `--menu-right: ${innerWidth - right}px; --menu-top: ${bottom + 4}px`;
  }

  download() {
    if (!this.view.image) return;
    const word = this.view.word === ALL ? "" : `-${this.heat?.matches[this.view.word].word}`;
    const name = `${this.page.name.replace(/\.[^.]+$/, "")}-page-${this.page.page}${word}.png`;
    this.view.toCanvas().toBlob((blob) => {
      if (!blob) return say(this.part("cv-page-message"), "The browser has no room for an image of this size.");
      const link = make("a", { href: URL.createObjectURL(blob), download: name });
      link.click();
      return setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  async copy() {
    const button = this.part("cv-copy");
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Copy it from the address bar";
    }
    setTimeout(() => (button.textContent = "Copy link"), 2000);
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
