// Words looked for in the open document: which of its pages have them, and the way from one to the next.

import { partsOf, plural, say } from "./dom.js";

export class Find {
  source; events; form; input; told; back; forth;
  document; page; text;
  /** @type {Api.Answers["GET /documents/{document}/find"] | null} */
  found = null;

  constructor(root, source, events) {
    const part = partsOf(root);
    Object.assign(this, { source, events }); // find(document, text); go(text, page), and changed() when pages were found
    Object.assign(this, { form: part("probe"), input: part("probe-text"), told: part("found") });
    Object.assign(this, { back: part("found-previous"), forth: part("found-next") });
    Object.assign(this, { document: "", page: 0, text: "", found: null });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit(this.input.value.trim().replace(/\s+/g, " "));
    });
    this.back.addEventListener("click", () => this.step(-1));
    this.forth.addEventListener("click", () => this.step(1));
  }

  // What the open page was asked for: its document is asked once for the same words.
  show({ document, page, text }) {
    const isOther = document !== this.document || text !== this.text;
    this.input.value = text;
    Object.assign(this, { document, page, text });
    if (isOther) this.look();
    else this.tell();
  }

  forget() {
    this.document = "";
  }

  focus() {
    this.input.focus();
    this.input.select();
  }

  // The first time to the next page that has the words, this one included; then from page to page.
  async submit(text) {
    if (text && text === this.text && this.found) return this.step(1);
    const { document } = this;
    this.text = text;
    const found = await this.look();
    if (this.document !== document || this.text !== text) return;
    this.events.go(text, this.next(found ?? [], 1, this.page) ?? this.page);
  }

  async look() {
    const { document, text } = this;
    this.found = null;
    say(this.told, text && "Looking…");
    if (!text) return this.tell();
    try {
      const found = await this.source.find(document, text);
      if (this.document !== document || this.text !== text) return null;
      this.found = found;
      this.tell();
      return found.pages;
    } catch (error) {
      if (this.document === document && this.text === text) say(this.told, error.message);
      return null;
    }
  }

  step(by) {
    const page = this.next(this.found?.pages ?? [], by, this.page + by);
    if (page) this.events.go(this.text, page);
  }

  // The page from there on, or back, that has the words; from the last on to the first.
  /** @param {Api.FoundPageView[]} found */
  next(found, by, from) {
    const pages = found.map(({ page }) => page);
    if (by < 0) pages.reverse();
    return pages.find((page) => (page - from) * by >= 0) ?? pages[0];
  }

  tell() {
    const pages = this.found?.pages ?? [];
    for (const button of [this.back, this.forth]) button.hidden = !pages.length;
    const place = pages.findIndex(({ page }) => page === this.page) + 1;
    const count = `${place ? `${place} of ` : ""}${plural(pages.length, "page")}`;
    const none = this.found?.searched ? `on none of ${plural(this.found.searched, "page")}` : "no page is read yet";
    say(this.told, this.found && (pages.length ? `${count}${this.found.is_sure ? "" : " most alike"}` : none));
    this.events.changed(new Set(pages.map(({ page }) => page)));
  }
}
