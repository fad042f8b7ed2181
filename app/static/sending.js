// One file on its way: its row in the sidebar, what it waits for, and how it ends.

import { make, plural } from "./dom.js";

export class Sending {
  /** @param {File} file
   * @param {string} collection
   * @param {string[]} meta */
  constructor(file, collection, meta) {
    this.file = file;
    this.collection = collection;
    this.meta = meta;
    this.replace = false;
    this.stop = new AbortController();
    this.row = make("li", { class: "cv-row" });
  }

  get isStopped() {
    return this.stop.signal.aborted;
  }

  cancel() {
    this.stop.abort();
    this.row.remove();
  }

  // `share` of 1 is done; null where nothing is sent just now.
  /** @param {string} text
   * @param {number | null} [share] */
  show(text, share = null) {
    const bar = share === null ? null : make("progress", { class: "cv-progress", max: 1, value: share, "aria-label": `Sending ${this.file.name}` });
    this.fill(this.closing("Cancel", `Cancel sending ${this.file.name}`, () => this.cancel()), bar, make("p", { class: "cv-meta" }, text));
  }

  // The name is in use: `answer(replace, all)` hears what to do, with this one alone or with the `others`, too.
  ask(others, answer) {
    const all = make("input", { type: "checkbox" });
    const button = (text, replace) => make("button", { type: "button", class: "cv-button", onclick: () => answer(replace, all.checked) }, text);
    const rest = others ? make("label", { class: "cv-check" }, all, `The same for ${plural(others, "more file")}`) : null;
    this.first = button("Replace it", true);
    this.fill(this.closing("Cancel", `Cancel sending ${this.file.name}`, () => this.cancel()),
      make("p", { class: "cv-meta" }, "A document of this name is here already."), rest,
      make("p", { class: "cv-acts" }, this.first, button("Keep both", false)));
  }

  // On the question.
  focus() {
    this.first?.focus();
  }

  // The button stays the same while it means the same: a click on it, or the focus, is not lost.
  closing(title, label, act) {
    const there = /** @type {HTMLElement | null} */ (this.row.querySelector(".cv-erase"));
    return there?.title === title ? there
      : make("button", { type: "button", class: "cv-icon cv-erase", title, "aria-label": label, onclick: act }, "×");
  }

  fill(closing, ...rest) {
    const { name } = this.file;
    const focused = this.row.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
    this.row.replaceChildren(make("span", { class: "cv-name", title: name }, name), closing, ...rest.filter(Boolean));
    if (focused) (focused.isConnected ? focused : closing).focus();
  }
}

// What is told of several files at once, in one line that unfolds, until it is dismissed.
export class Notice {
  /** @param {HTMLElement} list
   * @param {(count: number) => string} title */
  constructor(list, title, { isGood = false } = {}) {
    this.isGood = isGood;
    this.list = list;
    this.title = title;
    /** @type {HTMLElement[]} */
    this.entries = [];
  }

  // `act`, [text, function], is what can be done about it.
  add(name, reason, act) {
    const button = act && make("button", { type: "button", class: "cv-link", onclick: () => {
      entry.remove();
      this.entries.splice(this.entries.indexOf(entry), 1);
      this.show();
      act[1]();
    } }, act[0]);
    const said = reason?.startsWith(`${name} `) ? reason.slice(name.length) : reason && `: ${reason}`; // it may begin with the name
    const entry = make("li", {}, make("bdi", {}, name), said ? `${said} ` : "", button);
    this.entries.push(entry);
    this.show();
  }

  show() {
    const title = this.title(this.entries.length);
    this.row?.remove();
    if (!this.entries.length) return;
    const isOpen = this.row?.querySelector("details")?.open ?? this.entries.length === 1;
    const close = make("button", { type: "button", class: "cv-icon cv-erase", title: "Dismiss", "aria-label": `Dismiss: ${title}`,
      onclick: () => {
        this.entries = [];
        this.show();
      } }, "×");
    this.row = make("li", { class: this.isGood ? "cv-row" : "cv-row is-refused" },
      make("details", { class: "cv-fold", open: isOpen }, make("summary", {}, title),
        make("ul", { class: "cv-meta cv-listed", tabindex: 0, "aria-label": title }, ...this.entries)), close);
    this.list.append(this.row);
  }
}
