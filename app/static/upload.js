// Files on their way to the server: chosen or dropped, asked about where their name is in use, sent one after the other.

import * as api from "./api.js";
import { filesOf } from "./dropped.js";
import { byId, plural } from "./dom.js";
import { patiently } from "./patience.js";
import { notice, Sending } from "./sending.js";

const UNSENT = "colvision-unsent"; // in this tab's storage: the names of files that a reload would lose

export class Uploads {
  constructor(events) {
    this.events = events; // collection() -> its name, names(collection) -> a Set of those in use, added()
    this.list = byId("cv-uploads");
    this.zone = byId("cv-drop");
    this.asking = []; // for an answer
    this.waiting = []; // to be sent: the first one is
    const input = this.zone.querySelector("input");
    this.endings = new Set(["", ...input.accept.split(",")]);
    input.addEventListener("change", () => {
      this.add([...input.files]);
      input.value = ""; // the same file may be chosen again
    });
    for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => this.drag(event));
    window.addEventListener("beforeunload", (event) => this.unsent.length && event.preventDefault());
    window.addEventListener("dragleave", (event) => event.relatedTarget ?? this.zone.classList.remove("is-target"));
    this.recall();
  }

  get unsent() {
    return [...this.waiting, ...this.asking].filter((sending) => !sending.isStopped);
  }

  // No page can keep a file over a reload, but it can say which ones to choose again.
  remember() {
    inThisTab((storage) => storage.setItem(UNSENT, JSON.stringify(this.unsent.map(({ file }) => file.name))));
  }

  recall() {
    const names = inThisTab((storage) => JSON.parse(storage.getItem(UNSENT))) ?? [];
    this.remember();
    if (names.length) this.list.append(notice(`${plural(names.length, "file")} not sent`, "The page was left before. Choose them again:", names));
  }

  // A file may be dropped anywhere: beside the box, the browser would leave the page for it.
  drag(event) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    const isTaken = event.defaultPrevented; // by the question
    event.preventDefault();
    this.zone.classList.toggle("is-target", event.type === "dragover" && !isTaken);
    if (event.type === "drop" && !isTaken) this.drop(filesOf(event.dataTransfer, this.endings));
  }

  async drop(dropped) {
    const { files, leftOut } = await dropped;
    this.add(files);
    const title = `${plural(leftOut.length, "file")} left out`;
    if (leftOut.length) this.list.append(notice(title, "Neither PDF nor image, or not readable:", leftOut));
    else if (!files.length) this.list.append(notice("Nothing to add", "What was dropped holds no file.", []));
  }

  add(files) {
    const collection = this.events.collection();
    const inUse = this.events.names(collection);
    const meta = byId("cv-metadata").value.split(/,(?=[^,=]*=)/).map((pair) => pair.trim()).filter(Boolean); // a value may hold a comma
    const added = files.map((file) => new Sending(file, collection, meta));
    this.list.append(...added.map((sending) => sending.row));
    const isAsked = ({ file }) => inUse.has(file.name.normalize("NFC"));
    for (const sending of added.filter(isAsked)) {
      this.asking.push(sending);
      sending.show("A document of this name is here already");
    }
    this.ask();
    this.send(added.filter((sending) => !isAsked(sending)));
  }

  // One question at a time, and one answer for all where that is wanted.
  ask() {
    this.asking = this.asking.filter((sending) => !sending.isStopped);
    const [first, ...others] = this.asking;
    first?.ask(others.length, (replace, all) => {
      const answered = this.asking.splice(0, all ? this.asking.length : 1);
      for (const sending of answered) sending.replace = replace;
      this.ask();
      this.asking[0]?.row.querySelector(".cv-acts button").focus();
      this.send(answered);
    });
  }

  // One after the other, so that they are read in the order in which they were given.
  async send(sendings) {
    const isIdle = !this.waiting.length;
    for (const sending of sendings) sending.show("Waits to be sent", 0);
    this.waiting.push(...sendings);
    this.remember();
    if (!isIdle) return;
    for (; this.waiting.length; this.waiting.shift()) {
      await this.deliver(this.waiting[0]);
      this.remember();
    }
    this.remember();
  }

  async deliver(sending) {
    const { signal } = sending.stop;
    const tell = (share) => sending.show(share < 1 ? `Sending, ${Math.round(share * 100)} %` : "Checking the file", share);
    const wait = (reason, seconds) => sending.show(`${reason} Sent again in ${Math.ceil(seconds)} s.`);
    try {
      this.check(sending);
      if (!sending.isStopped) await patiently(() => api.upload(sending, { tell, signal }), { signal, wait, isUpload: true });
      sending.row.remove();
      this.events.added();
    } catch (error) {
      if (!sending.isStopped) sending.refuse(error.message, error.isDown ? () => this.send([sending]) : null);
    }
  }

  check({ file }) {
    const most = Number(this.zone.dataset.bytes);
    if (file.size > most) throw new Error(`it is larger than the limit of ${Math.round(most / 2 ** 20)} MB: split it into parts`);
  }
}

// Where the browser is told to keep nothing, this throws, and the page does without.
function inThisTab(act) {
  try {
    return act(sessionStorage);
  } catch {
    return null;
  }
}
