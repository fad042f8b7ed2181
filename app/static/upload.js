// Files on their way to the server: how far each is, a way to stop it, and why one was not taken, until dismissed.

import * as api from "./api.js";
import { byId, make } from "./dom.js";

export class Uploads {
  constructor(events) {
    this.events = events; // collection() -> its name, added()
    this.list = byId("cv-uploads");
    this.zone = byId("cv-drop");
    this.waiting = [];
    const input = this.zone.querySelector("input");
    input.addEventListener("change", () => {
      this.add([...input.files]);
      input.value = ""; // the same file may be chosen again
    });
    for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => this.drag(event));
    window.addEventListener("beforeunload", (event) => this.waiting.length && event.preventDefault()); // what has not arrived is lost
    window.addEventListener("dragleave", (event) => event.relatedTarget ?? this.zone.classList.remove("is-target"));
  }

  // A file may be dropped anywhere: beside the box, the browser would leave the page for it.
  drag(event) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    const isTaken = event.defaultPrevented; // by the question
    event.preventDefault();
    this.zone.classList.toggle("is-target", event.type === "dragover" && !isTaken);
    if (event.type === "drop" && !isTaken) this.add([...event.dataTransfer.files]);
  }

  add(files) {
    const isIdle = !this.waiting.length;
    const collection = this.events.collection();
    const meta = byId("cv-metadata").value.split(/,(?=[^,=]*=)/).map((pair) => pair.trim()).filter(Boolean); // a value may hold a comma
    for (const file of files) {
      const sending = { file, collection, meta, row: make("li", { class: "cv-row" }), stop: new AbortController() };
      this.list.append(sending.row);
      this.waiting.push(sending);
      this.show(sending, "Waits to be sent", 0);
    }
    if (isIdle) this.run();
  }

  // One after the other, so that they are read in the order in which they were given.
  async run() {
    for (; this.waiting.length; this.waiting.shift()) {
      const sending = this.waiting[0];
      try {
        if (!sending.stop.signal.aborted) await this.send(sending);
        sending.row.remove();
      } catch (error) {
        this.refuse(sending, error.message);
      }
    }
  }

  async send(sending) {
    const { file, stop } = sending;
    const most = Number(this.zone.dataset.bytes);
    if (file.size > most) throw new Error(`it is larger than the limit of ${Math.round(most / 2 ** 20)} MB: split it into parts`);
    const tell = (share) => this.show(sending, share < 1 ? `Sending, ${Math.round(share * 100)} %` : "Checking the file", share);
    tell(0);
    await api.upload(sending, { tell, signal: stop.signal });
    this.events.added();
  }

  show({ file, row, stop }, text, share) {
    const cancel = () => {
      stop.abort();
      row.remove();
    };
    const close = row.querySelector("button") ?? make("button", { type: "button", class: "cv-icon cv-erase", title: "Cancel",
      "aria-label": `Cancel sending ${file.name}`, onclick: cancel }, "×");
    const bar = make("progress", { class: "cv-progress", max: 1, value: share, "aria-label": `Sending ${file.name}` });
    row.replaceChildren(make("span", { class: "cv-name", title: file.name }, file.name), close, bar, make("p", { class: "cv-meta" }, text));
  }

  refuse({ file, row }, reason) {
    const close = make("button", { type: "button", class: "cv-icon cv-erase", title: "Dismiss",
      "aria-label": `Dismiss ${file.name}`, onclick: () => row.remove() }, "×");
    row.classList.add("is-refused");
    row.replaceChildren(make("span", { class: "cv-name", title: file.name }, file.name), close,
      make("p", { class: "cv-meta cv-state" }, `Not added: ${reason}`));
  }
}
