// The questions that were asked in this browser, the newest first, and those that are kept: links to their answers.

import { byId, make } from "./dom.js";
import { browser } from "./storage.js";

const KEY = "colvision-questions"; // in this browser's storage: nobody else sees them
const MOST = 50; // that are not kept

export class Questions {
  constructor(events) {
    this.events = events; // go(address)
    this.button = byId("cv-questions-button");
    this.panel = byId("cv-questions");
    this.button.addEventListener("click", () => this.reveal(this.panel.hidden));
    for (const part of /** @type {HTMLElement[]} */ ([this.panel, this.button])) {
      part.addEventListener("keydown", (event) => {
        if (event.key !== "Escape" || !this.isRevealed) return;
        event.stopPropagation();
        this.reveal(false);
        this.button.focus();
      });
    }
    byId("cv-questions-clear").addEventListener("click", () => {
      write(read().filter((each) => each.isKept));
      this.draw();
      this.button.focus();
    });
  }

  get isRevealed() {
    return !this.panel.hidden;
  }

  reveal(isShown) {
    this.panel.hidden = !isShown;
    this.button.setAttribute("aria-expanded", String(isShown));
    if (isShown) this.draw();
  }

  // A question is told by its words and where it was asked; `address` brings its answer back.
  note(words, collection, address) {
    const all = read();
    const before = all.find((each) => each.words === words && each.collection === collection);
    const others = all.filter((each) => each !== before);
    const noted = [{ words, collection, address, isKept: before?.isKept ?? false }, ...others];
    write(noted.filter((each, at) => each.isKept || at < MOST));
    if (this.isRevealed) this.draw();
  }

  draw() {
    const all = read();
    const rows = (isKept) => all.filter((each) => each.isKept === isKept).map((each) => this.row(each));
    byId("cv-questions-kept").replaceChildren(...rows(true));
    byId("cv-questions-recent").replaceChildren(...rows(false));
    byId("cv-questions-none").hidden = all.length > 0;
    byId("cv-questions-clear").hidden = !all.some((each) => !each.isKept);
  }

  row(question) {
    const { words, collection, address, isKept } = question;
    const change = (changed) => {
      write(read().flatMap((each) => (each.words === words && each.collection === collection ? changed(each) : [each])));
      this.draw();
      this.button.focus();
    };
    const go = (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return; // in a tab or a window of its own
      event.preventDefault();
      this.reveal(false);
      this.events.go(address);
    };
    return make("li", {}, make("a", { class: "cv-link", href: `?${address}`, onclick: go }, words),
      collection === "default" ? null : make("span", { class: "cv-quiet" }, `in ${collection}`),
      make("button", { type: "button", class: "cv-icon", "aria-pressed": String(isKept), title: isKept ? "Keep it no more" : "Keep it",
        "aria-label": `Keep the question ${words}`, onclick: () => change((each) => [{ ...each, isKept: !isKept }]) }, isKept ? "★" : "☆"),
      make("button", { type: "button", class: "cv-icon", title: "Forget it", "aria-label": `Forget the question ${words}`,
        onclick: () => change(() => []) }, "×"));
  }
}

const read = () => browser.list(KEY).filter((each) => [each?.words, each?.collection, each?.address].every((part) => typeof part === "string"));
const write = (questions) => browser.set(KEY, JSON.stringify(questions));
