// One page, large: its heat, its winning patches, word by word. It knows no server: what it shows is given to it.

import { keepFocus, make, partsOf, say } from "./dom.js";
import { ALL, drawScale, Heatmap } from "./heatmap.js";
import { fillRows, inText } from "./match_table.js";
import { PageView } from "./page_view.js";

const OF_RESULTS = ", from this page's median to the best match of the results";

export class Inspector {
  panel; events; page; part; view;

  // Events: word(text, number) that was chosen, "" and ALL for all of them; patch({ row, col, word, similarity }) that
  // was clicked.
  constructor(root, events) {
    Object.assign(this, { panel: root, events, page: null });
    this.part = partsOf(root);
    this.view = new PageView(root, { patch: (patch) => this.events.patch?.(patch) });
    this.bind();
    this.dress();
  }

  bind() {
    const { part, view } = this;
    this.press("download", () => this.download());
    this.press("smaller", () => view.zoom(-1));
    this.press("larger", () => view.zoom(1));
    this.press("fit", () => view.fitTo("width"));
    this.press("fit-page", () => view.fitTo("page"));
    this.press("rotate", () => view.turn());
    this.press("tools", ({ target }) => target.closest("a, button:not([data-part=copy])") && part("tools").matches(":popover-open") && part("tools").hidePopover());
    part("menu").popoverTargetElement = part("tools");
    part("tools").addEventListener("beforetoggle", () => this.hangMenu());
    part("chips").addEventListener("keydown", (event) => this.moveAmongChips(event));
    for (const name of ["heat", "style", "patches"]) part(name).addEventListener("change", () => this.dress());
    part("opacity").addEventListener("input", () => this.dress());
  }

  press(name, act) {
    this.part(name).addEventListener("click", act);
  }

  // As the controls say.
  dress() {
    const { part } = this;
    const style = part("heat").checked ? part("style").value : "";
    drawScale(part("scale"), { isContour: part("style").value === "outline" });
    this.view.set({ style, opacity: part("opacity").value / 100, patches: part("patches").checked });
  }

  get heat() {
    return this.view.heat;
  }

  // A page { image, why, title, label }: `why` is an explanation as REST has it, or null, and what its scale ends at is
  // said by `ends`. Null for none.
  take(page) {
    const { part } = this;
    this.page = page;
    const heat = page?.why ? new Heatmap(page.why) : null;
    this.view.show({ image: page?.image ?? null, heat, label: page?.label ?? "" });
    this.panel.classList.toggle("has-heat", Boolean(heat));
    this.panel.classList.toggle("is-lost", !page?.image);
    const title = page?.title ?? "";
    Object.assign(part("title"), { textContent: title, title });
    if (!page?.image) return;
    say(part("whose-order"), page.why?.reranker ? `The order of the results is that of ${page.why.reranker}. Heatmap and table are the encoder's.` : "");
    this.legend();
    keepFocus(part("chips"), () => this.chips());
    keepFocus(part("rows"), () => fillRows(this.panel, heat, page, (number) => this.choose(this.view.word === number ? ALL : number)));
  }

  numberOf(word) {
    return this.heat && word ? this.heat.matches.findIndex((match) => match.word === word) : ALL;
  }

  legend() {
    if (!this.heat) return;
    const { part } = this;
    const { is_probability, is_lead, shown_from, shown_to } = this.heat.scale;
    part("low").textContent = is_probability ? "0" : shown_from.toFixed(2);
    part("high").textContent = is_probability ? "1" : shown_to.toFixed(2);
    const [unit, more] = is_probability
      ? ["match probability", ", the same on every page"]
      : is_lead ? ["similarity beyond the mean of the results", ""] : ["similarity", this.page.ends ?? OF_RESULTS];
    part("unit").replaceChildren(unit, make("span", { class: "cv-unit-more" }, more));
    part("measure").textContent = is_probability ? "Match" : "Similarity";
  }

  chips() {
    const words = this.heat?.matches ?? [];
    const chip = (number, text, ...more) =>
      make("button", { type: "button", class: "cv-chip", role: "radio", "data-word": number, onclick: () => this.choose(number) }, text, ...more);
    const measured = ({ strength }) => make("small", {}, strength.toFixed(2).replace(/^0\./, "."));
    this.part("chips").replaceChildren(
      chip(ALL, "All words"),
      ...words.map((match, number) => chip(number, match.word, measured(match), match.in_text ? inText() : null)),
    );
    this.part("in-text").hidden = !words.some((match) => match.in_text);
  }

  // One of them is in the order of Tab, the arrows go to the others.
  moveAmongChips(event) {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation(); // elsewhere they turn pages
    const chips = [...this.part("chips").children];
    const chip = chips[(chips.indexOf(event.target) + by + chips.length) % chips.length];
    this.choose(Number(chip.dataset.word));
    chip.focus();
  }

  choose(number, { silent = false } = {}) {
    this.view.choose(number);
    for (const chip of this.part("chips").children) {
      const isChosen = Number(chip.dataset.word) === number;
      chip.setAttribute("aria-checked", String(isChosen));
      chip.tabIndex = isChosen ? 0 : -1;
    }
    for (const row of this.part("rows").children) row.classList.toggle("is-chosen", Number(row.dataset.word) === number);
    if (silent) return;
    this.view.reveal();
    this.events.word(number === ALL ? "" : this.heat?.matches[number].word, number);
  }

  nextWord() {
    if (!this.heat || this.panel.hidden) return;
    const next = this.view.word + 1;
    this.choose(next < this.heat.matches.length ? next : ALL);
  }

  toggle(name) {
    this.part(name).checked = !this.part(name).checked;
    this.dress();
  }

  // The menu hangs below its button, wherever that is.
  hangMenu() {
    const { right, bottom } = this.part("menu").getBoundingClientRect();
    this.part("tools").style.cssText = `--menu-right: ${innerWidth - right}px; --menu-top: ${bottom + 4}px`;
  }

  // What a saved picture of the page is called.
  get fileName() {
    return this.page.title || "page";
  }

  download() {
    if (!this.view.image) return;
    const word = this.view.word === ALL ? "" : `-${this.heat?.matches[this.view.word].word}`;
    const name = `${this.fileName}${word}.png`;
    this.view.toCanvas().toBlob((blob) => {
      if (!blob) return say(this.part("page-message"), "The browser has no room for an image of this size.");
      const link = make("a", { href: URL.createObjectURL(blob), download: name });
      link.click();
      return setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }
}
