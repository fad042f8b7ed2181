// One file on its way: its row in the sidebar, what it waits for, and how it ends.

import { make, plural } from "./dom.js";

export class Sending {
  constructor(file, collection, meta) {
    Object.assign(this, { file, collection, meta, replace: false });
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
  show(text, share = null) {
    const bar = share === null ? null : make("progress", { class: "cv-progress", max: 1, value: share, "aria-label": `Sending ${this.file.name}` });
    this.fill(this.closing("Cancel", `Cancel sending ${this.file.name}`, () => this.cancel()), bar, make("p", { class: "cv-meta" }, text));
  }

  // The name is in use: `answer(replace, all)` hears what to do, with this one alone or with the `others`, too.
  ask(others, answer) {
    const all = make("input", { type: "checkbox" });
    const button = (text, replace) => make("button", { type: "button", class: "cv-button", onclick: () => answer(replace, all.checked) }, text);
    const rest = others ? make("label", { class: "cv-check" }, all, `The same for ${plural(others, "more file")}`) : null;
    this.fill(this.closing("Cancel", `Cancel sending ${this.file.name}`, () => this.cancel()),
      make("p", { class: "cv-meta" }, "A document of this name is here already."), rest,
      make("p", { class: "cv-acts" }, button("Replace it", true), button("Keep both", false)));
  }

  // `again`, where sending once more may help.
  refuse(reason, again) {
    this.row.classList.add("is-refused");
    const retry = () => {
      this.row.classList.remove("is-refused");
      again();
    };
    this.fill(this.closing("Dismiss", `Dismiss ${this.file.name}`, () => this.row.remove()),
      make("p", { class: "cv-meta cv-state" }, `Not added: ${reason}`),
      again ? make("p", { class: "cv-acts" }, make("button", { type: "button", class: "cv-link", onclick: retry }, "Send again")) : null);
  }

  // The button stays the same while it means the same: a click on it, or the focus, is not lost.
  closing(title, label, act) {
    const there = this.row.querySelector(".cv-erase");
    return there?.title === title ? there
      : make("button", { type: "button", class: "cv-icon cv-erase", title, "aria-label": label, onclick: act }, "×");
  }

  fill(closing, ...rest) {
    const { name } = this.file;
    const focused = this.row.contains(document.activeElement) ? document.activeElement : null;
    this.row.replaceChildren(make("span", { class: "cv-name", title: name }, name), closing, ...rest.filter(Boolean));
    if (focused) (focused.isConnected ? focused : closing).focus();
  }
}

// What is told of several files at once, until it is dismissed.
export function notice(title, sentence, names) {
  const row = make("li", { class: "cv-row is-refused" });
  const close = make("button", { type: "button", class: "cv-icon cv-erase", title: "Dismiss", "aria-label": `Dismiss: ${title}`,
    onclick: () => row.remove() }, "×");
  row.append(make("span", { class: "cv-name" }, title), close, make("p", { class: "cv-meta cv-state" }, sentence),
    make("ul", { class: "cv-meta cv-listed", tabindex: 0, "aria-label": title }, ...names.map((name) => make("li", {}, name))));
  return row;
}
