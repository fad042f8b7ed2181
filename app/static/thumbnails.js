// The pages of the open document, small, beside it: which is open, which were found.

import { make, partsOf } from "./dom.js";
import { browser } from "./storage.js";

const WIDTH = 160; // pixels of an image: more than is shown, for dense screens
const KEPT = "colvision-thumbnails"; // whether they are shown, remembered by the browser

export class Thumbnails {
  source; events; strip; list; button;
  document; pages; page; ranks; found;

  constructor(root, source, events) {
    const part = partsOf(root);
    Object.assign(this, { source, events, strip: part("strip"), list: part("thumbnails"), button: part("thumbnails-shown") });
    Object.assign(this, { document: "", pages: 0, page: 0, ranks: new Map(), found: new Set() });
    this.button.addEventListener("click", () => this.reveal(this.strip.hidden));
    new ResizeObserver(() => this.showCurrent()).observe(this.strip);
    this.reveal(browser.get(KEPT) === "yes");
  }

  reveal(isShown) {
    browser.set(KEPT, isShown ? "yes" : "");
    this.strip.hidden = !isShown;
    this.button.setAttribute("aria-pressed", String(isShown));
    this.draw();
  }

  // `ranks` of the pages that the search found, by their number.
  show({ document, pages, page, ranks }) {
    Object.assign(this, { document, pages, page, ranks });
    this.draw();
  }

  mark(found) {
    this.found = found;
    this.draw();
  }

  draw() {
    if (this.strip.hidden || !this.pages) return;
    const drawn = `${this.pages} ${this.source.pageImage(this.document, 1, WIDTH)}`; // another one once the file is
    if (drawn !== this.drawn) this.list.replaceChildren(...Array.from({ length: this.pages }, (_, i) => this.thumbnail(i + 1)));
    this.drawn = drawn;
    for (const [i, { firstChild: button }] of [...this.list.children].entries()) this.describe(button, i + 1);
    this.showCurrent();
  }

  // The strip alone is scrolled, down or sideways: `scrollIntoView` would move what is around it, too.
  showCurrent() {
    const current = this.list.querySelector("[aria-current]")?.getBoundingClientRect();
    if (!current) return;
    const view = this.strip.getBoundingClientRect();
    const top = (current.top + current.bottom - view.top - view.bottom) / 2;
    const left = (current.left + current.right - view.left - view.right) / 2;
    this.strip.scrollBy({ top, left, behavior: "instant" });
  }

  thumbnail(page) {
    const image = make("img", { alt: "", loading: "lazy", src: this.source.pageImage(this.document, page, WIDTH) });
    image.addEventListener("error", () => image.removeAttribute("src"), { once: true }); // it is not read yet
    const button = make("button", { type: "button", class: "cv-thumbnail", onclick: () => this.events.page(page) }, image, make("span"), make("b"));
    return make("li", {}, button);
  }

  describe(button, page) {
    const rank = this.ranks.get(page);
    const isFound = this.found.has(page);
    const marks = [rank && `result ${rank}`, isFound && "has the words"].filter(Boolean);
    button.setAttribute("aria-label", [`Page ${page}`, ...marks].join(", "));
    button.title = marks.join(", ");
    button.classList.toggle("is-found", isFound);
    if (page === this.page) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
    button.children[1].textContent = page;
    button.children[2].textContent = rank ? `#${rank}` : isFound ? "✓" : "";
  }
}
