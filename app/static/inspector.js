// One page, large: its heat, its winning patches, word by word.

import * as api from "./api.js";
import { byId, make, plural, say } from "./dom.js";
import { ALL, drawScale, Heatmap, outline, tint } from "./heatmap.js";
import { fillRows, inText } from "./match_table.js";
import { nameToTell } from "./names.js";

export class Inspector {
  constructor(events) {
    this.events = events; // page(number), word(text), probe(text), like(), close(), document(id) and folder(id) -> as the list has them
    this.panel = byId("cv-inspector");
    this.canvas = byId("cv-canvas");
    this.word = ALL;
    this.scale = 1; // 1 fits the width
    drawScale(byId("cv-scale"));
    this.bind();
  }

  bind() {
    byId("cv-previous").addEventListener("click", () => this.turn(-1));
    byId("cv-next").addEventListener("click", () => this.turn(1));
    byId("cv-close").addEventListener("click", () => this.events.close());
    byId("cv-download").addEventListener("click", () => this.download());
    byId("cv-like").addEventListener("click", () => this.events.like());
    byId("cv-copy").addEventListener("click", () => this.copy());
    byId("cv-smaller").addEventListener("click", () => this.zoom(0.8));
    byId("cv-fit").addEventListener("click", () => this.zoom(null));
    byId("cv-larger").addEventListener("click", () => this.zoom(1.25));
    byId("cv-probe").addEventListener("submit", (event) => {
      event.preventDefault();
      this.events.probe(byId("cv-probe-text").value.trim().replace(/\s+/g, " "));
    });
    for (const id of ["cv-heat", "cv-patches"]) byId(id).addEventListener("change", () => this.draw());
    byId("cv-opacity").addEventListener("input", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(byId("cv-stage"));
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", () => (byId("cv-hover").hidden = true));
  }

  hide() {
    this.panel.hidden = true;
    this.request = {};
    this.asked = null;
  }

  get image() {
    return this.page?.image ?? null;
  }

  // A page was asked for that cannot be shown.
  get isLost() {
    return Boolean(this.asked) && this.panel.classList.contains("is-lost");
  }

  again() {
    return this.show(this.asked);
  }

  // What is shown belongs together: nothing is replaced before both image and explanation are there.
  async show(asked) {
    const { query, document, page, word, probe } = (this.asked = asked);
    const request = (this.request = {});
    this.panel.hidden = false;
    this.panel.classList.add("is-busy");
    const isExample = Boolean(query.like || query.image);
    const hasQuery = query.q || isExample;
    try {
      const [image, why, read] = await Promise.all([
        api.loadPageImage(document, page),
        hasQuery ? api.explain(query, document, page) : null,
        hasQuery ? null : api.readDocument(document),
      ]);
      if (this.request !== request) return;
      say(byId("cv-page-message"), "");
      say(byId("cv-page-notes"), this.notes(document, page));
      byId("cv-probe-text").value = probe;
      this.panel.classList.toggle("is-example", isExample);
      this.take({ image, why, document, page, name: why?.document ?? read.name, pages: why?.pages ?? read.pages });
      this.choose(this.numberOf(word), { silent: true });
      this.reveal();
    } catch (error) {
      const [reason, known] = await whyLost(document, page, error);
      if (this.request !== request) return;
      say(byId("cv-page-message"), reason);
      say(byId("cv-page-notes"), "");
      this.take(known);
    } finally {
      if (this.request === request) this.panel.classList.remove("is-busy");
    }
  }

  take(page) {
    this.page = page;
    this.heat = page?.why ? new Heatmap(page.why) : null;
    this.panel.classList.toggle("has-heat", Boolean(this.heat));
    this.panel.classList.toggle("is-lost", !this.image);
    const title = page ? nameToTell(page.name, this.events.folder(page.document)) : "";
    Object.assign(byId("cv-title"), { textContent: title, title });
    byId("cv-turn").hidden = !page;
    byId("cv-place").textContent = page ? `page ${page.page} of ${page.pages}` : "";
    byId("cv-previous").disabled = !page || page.page <= 1;
    byId("cv-next").disabled = !page || page.page >= page.pages;
    if (!this.image) return;
    const isPdf = this.events.document(page.document)?.kind === "pdf";
    byId("cv-open").href = api.originalFile(page.document, isPdf ? page.page : null);
    byId("cv-open").textContent = isPdf ? "Open PDF" : "Open the image";
    byId("cv-open").title = isPdf ? `The original, at page ${page.page}` : "The original";
    say(byId("cv-whose-order"), page.why?.reranker ? `The order of the results is that of ${page.why.reranker}. Heatmap and table are the encoder's.` : "");
    this.legend();
    this.chips();
    fillRows(this.heat, page, (number) => this.choose(this.word === number ? ALL : number));
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
    const { is_probability, is_lead, shown_from, shown_to } = this.heat.scale;
    byId("cv-low").textContent = is_probability ? "0" : shown_from.toFixed(2);
    byId("cv-high").textContent = is_probability ? "1" : shown_to.toFixed(2);
    byId("cv-unit").textContent = is_probability
      ? "match probability, the same on every page"
      : is_lead ? "similarity beyond the mean of the results" : "similarity, from this page's median to the best match of the results";
    byId("cv-measure").textContent = is_probability ? "Match" : "Similarity";
  }

  chips() {
    const words = this.heat?.matches ?? [];
    const chip = (number, text, ...more) =>
      make("button", { type: "button", class: "cv-chip", role: "radio", "data-word": number, onclick: () => this.choose(number) }, text, ...more);
    const measured = ({ strength }) => make("small", {}, strength.toFixed(2).replace(/^0\./, "."));
    byId("cv-chips").replaceChildren(
      chip(ALL, "All words"),
      ...words.map((match, number) => chip(number, match.word, measured(match), match.in_text ? inText() : null)),
    );
    byId("cv-in-text").hidden = !words.some((match) => match.in_text);
  }

  choose(number, { silent = false } = {}) {
    this.word = number;
    for (const chip of byId("cv-chips").children) chip.setAttribute("aria-checked", String(Number(chip.dataset.word) === number));
    for (const row of byId("cv-rows").children) row.classList.toggle("is-chosen", Number(row.dataset.word) === number);
    this.draw();
    if (silent) return;
    this.reveal();
    this.events.word(number === ALL ? "" : this.heat.matches[number].word);
  }

  nextWord() {
    if (!this.heat || this.panel.hidden) return;
    const next = this.word + 1;
    this.choose(next < this.heat.matches.length ? next : ALL);
  }

  toggle(id) {
    byId(id).checked = !byId(id).checked;
    this.draw();
  }

  turn(by) {
    if (!this.page || this.panel.hidden) return;
    const page = Math.min(this.page.pages, this.page.page + by);
    if (page >= 1 && page !== this.page.page) this.events.page(page);
  }

  shownMatches() {
    const matches = this.heat?.matches ?? [];
    return this.word === ALL ? matches.filter((match) => match.contribution > 0 && !this.heat.isUnseen(match)) : [matches[this.word]];
  }

  // As many pixels as the screen shows: a browser shrinks a finished canvas badly, and print gets thin.
  draw() {
    if (!this.image) return;
    this.canvas.style.width = `${this.scale * 100}%`;
    const { naturalWidth } = this.image;
    this.paint(this.canvas, Math.min(naturalWidth, Math.round(this.canvas.clientWidth * devicePixelRatio) || naturalWidth));
    const label = [`Page ${this.page.page} of ${this.page.name}`];
    if (this.heat) label.push(`coloured where it matches ${this.shownMatches().map((match) => match.word).join(", ")}`);
    this.canvas.setAttribute("aria-label", label.join(", "));
  }

  paint(canvas, width) {
    const { image } = this;
    canvas.width = width;
    canvas.height = Math.round((width * image.naturalHeight) / image.naturalWidth);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    if (!this.heat) return;
    if (byId("cv-heat").checked) tint(context, this.heat.toCanvas(this.word, byId("cv-opacity").value / 100));
    if (byId("cv-patches").checked) outline(context, this.shownMatches());
  }

  zoom(by) {
    if (!this.image || this.panel.hidden) return;
    const [x, y] = this.centre();
    byId("cv-hover").hidden = true; // another cell lies there now
    this.scale = by === null ? 1 : Math.min(4, Math.max(0.3, this.scale * by));
    this.draw();
    this.lookAt(x, y);
  }

  // What is in the middle of the view, in fractions of the page.
  centre() {
    const stage = byId("cv-stage");
    const view = stage.getBoundingClientRect();
    const frame = this.canvas.getBoundingClientRect();
    return [
      (view.left + stage.clientWidth / 2 - frame.left) / frame.width,
      (view.top + stage.clientHeight / 2 - frame.top) / frame.height,
    ];
  }

  lookAt(x, y) {
    const [left, top] = this.centre();
    byId("cv-stage").scrollBy({ left: (x - left) * this.canvas.clientWidth, top: (y - top) * this.canvas.clientHeight, behavior: "instant" });
  }

  // Scrolls to the strongest of the patches that are shown.
  reveal() {
    const best = this.shownMatches().filter((match) => match?.box).sort((a, b) => b.contribution - a.contribution)[0];
    if (!best) return;
    const [left, top, right, bottom] = best.box;
    this.lookAt((left + right) / 2, (top + bottom) / 2);
  }

  hover(event) {
    const tip = byId("cv-hover");
    if (!this.heat) return;
    const frame = this.canvas.getBoundingClientRect();
    const x = event.clientX - frame.left;
    const y = event.clientY - frame.top;
    const row = Math.min(this.heat.rows - 1, Math.floor((y / frame.height) * this.heat.rows));
    const col = Math.min(this.heat.cols - 1, Math.floor((x / frame.width) * this.heat.cols));
    const found = this.heat.cell(row, col, this.word);
    const measured = found && `${this.heat.matches[found.word].word} · ${this.heat.scale.is_lead ? "lead" : "similarity"} ${this.heat.similarity(found.code).toFixed(2)}`;
    const chance = found && this.heat.scale.is_probability ? ` · match ${found.strength.toFixed(2)}` : "";
    tip.replaceChildren(make("b", {}, found ? measured + chance : "Blank here"), make("span", {}, `row ${row + 1}, column ${col + 1}`));
    tip.hidden = false;
    const { clientX, clientY } = event;
    const isLeft = clientX + tip.offsetWidth + 20 > innerWidth;
    const isAbove = clientY + tip.offsetHeight + 24 > innerHeight;
    tip.style.left = `${isLeft ? Math.max(0, clientX - tip.offsetWidth - 12) : clientX + 14}px`;
    tip.style.top = `${isAbove ? clientY - tip.offsetHeight - 12 : clientY + 18}px`;
  }

  download() {
    if (!this.image) return;
    const words = this.word === ALL ? "" : `-${this.heat.matches[this.word].word}`;
    const name = `${this.page.name.replace(/\.[^.]+$/, "")}-page-${this.page.page}${words}.png`;
    const canvas = document.createElement("canvas");
    this.paint(canvas, this.image.naturalWidth);
    canvas.toBlob((blob) => {
      const link = make("a", { href: URL.createObjectURL(blob), download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  async copy() {
    const button = byId("cv-copy");
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
async function whyLost(document, page, error) {
  let read;
  try {
    read = await api.readDocument(document);
  } catch (failed) {
    return [failed.status === 404 ? "This document is not in the library, or not any more." : failed.message, null];
  }
  const { name, pages, state } = read;
  const isAwaited = state === "ingesting" && error.status === 404;
  const reason = page > pages && pages ? `Page ${page} cannot be shown: the document has ${plural(pages, "page")}.`
    : isAwaited ? `Page ${page} is not read yet. It is shown here as soon as it is.` : error.message;
  return [reason, { document, page, name, pages, image: null, why: null }];
}
