// Files on their way to the server: chosen or dropped, asked about where their name is in use, sent one after the other.

import * as api from "./api.js";
import { filesOf, sortOut } from "./dropped.js";
import { byId, plural } from "./dom.js";
import { patiently } from "./patience.js";
import { factsOf } from "./facts.js";
import { Notice, Sending } from "./sending.js";
import { tab } from "./storage.js";

const HASHED_BYTES = 200 * 2 ** 20; // of a file whose bytes are compared before it is sent: they are all in memory then
const UNSENT = "colvision-unsent"; // in this tab's storage: the names of files that a reload would lose

export class Uploads {
  constructor(events) {
    this.events = events; // collection() -> its name, names(collection) -> a Set of those in use, documents(collection), added()
    this.list = byId("cv-uploads");
    this.zone = byId("cv-drop");
    /** @type {Sending[]} */
    this.asking = []; // for an answer
    /** @type {Sending[]} */
    this.waiting = []; // to be sent: the first one is
    this.refused = new Notice(this.list, (count) => `${plural(count, "file")} not added`);
    this.known = new Notice(this.list, (count) => `${plural(count, "file")} here already`, { isGood: true });
    this.leftOut = new Notice(this.list, (count) => `${plural(count, "file")} left out: neither PDF nor image, or not readable`);
    this.lost = new Notice(this.list, (count) => `${plural(count, "file")} not sent, as the page was left before: choose them again`);
    const folder = byId("cv-folder");
    const input = byId("cv-files");
    this.endings = new Set(["", ...input.accept.split(",")]);
    input.addEventListener("change", () => {
      this.add([...(input.files ?? [])]);
      input.value = ""; // the same file may be chosen again
    });
    folder.addEventListener("change", () => {
      this.take(sortOut([...(folder.files ?? [])], this.endings));
      folder.value = "";
    });
    for (const name of /** @type {const} */ (["dragover", "drop"])) window.addEventListener(name, (event) => this.drag(event));
    window.addEventListener("beforeunload", (event) => this.unsent.length && event.preventDefault());
    window.addEventListener("dragleave", (event) => event.relatedTarget ?? this.zone.classList.remove("is-target"));
    this.recall();
  }

  get unsent() {
    return [...this.waiting, ...this.asking].filter((sending) => !sending.isStopped);
  }

  // No page can keep a file over a reload, but it can say which ones to choose again.
  remember() {
    tab.set(UNSENT, JSON.stringify(this.unsent.map(({ file }) => file.name)));
  }

  recall() {
    const names = tab.list(UNSENT);
    this.remember();
    for (const name of names) this.lost.add(name);
  }

  // A file may be dropped anywhere: beside the box, the browser would leave the page for it.
  /** @param {DragEvent} event */
  drag(event) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    const isTaken = event.defaultPrevented; // by the question
    event.preventDefault();
    this.zone.classList.toggle("is-target", event.type === "dragover" && !isTaken);
    if (event.type === "drop" && !isTaken) this.drop(filesOf(event.dataTransfer, this.endings));
  }

  async drop(dropped) {
    this.take(await dropped);
  }

  take({ files, leftOut }) {
    for (const name of leftOut) this.leftOut.add(name);
    if (!files.length && !leftOut.length) this.refused.add("What was chosen", "it holds no file");
    return this.add(files);
  }

  // What is here already is told before anything is sent; what has the name of another file is asked about.
  /** @param {File[]} files */
  async add(files) {
    const collection = this.events.collection();
    const meta = factsOf(byId("cv-metadata").value);
    const added = files.map((file) => new Sending(file, collection, meta));
    this.list.append(...added.map((sending) => sending.row));
    for (const sending of added) sending.show("Looking whether it is here already");
    const unknown = [];
    for (const sending of added) {
      const same = meta.length ? null : await this.sameAs(sending);
      if (same && !sending.isStopped) this.tellKnown(sending, same);
      else unknown.push(sending);
    }
    const inUse = this.events.names(collection);
    const isAsked = ({ file }) => inUse.has(file.name.normalize("NFC"));
    for (const sending of unknown.filter(isAsked)) {
      this.asking.push(sending);
      sending.show("A document of this name is here already");
    }
    this.ask();
    this.send(unknown.filter((sending) => !isAsked(sending)));
  }

  // The document that a file is, null where nobody can tell before it is sent: the server looks, too.
  /** @param {Sending} sending
   * @returns {Promise<Api.DocumentView | null>} */
  async sameAs({ file, collection }) {
    const alike = this.events.documents(collection).filter((each) => each.bytes === file.size && each.state === "ready" && !each.failed);
    if (!alike.length || file.size > HASHED_BYTES || !window.crypto?.subtle) return null; // which needs https, or this machine
    try {
      const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
      const sha256 = [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      return alike.find((each) => each.sha256 === sha256) ?? null;
    } catch {
      return null; // sending it says what is wrong with it
    }
  }

  /** @param {Sending} sending
   * @param {Api.DocumentView} document */
  tellKnown(sending, { name }) {
    sending.row.remove();
    this.known.add(sending.file.name, name === sending.file.name ? "" : `as ${name}`);
  }

  // One question at a time, and one answer for all where that is wanted.
  ask() {
    this.asking = this.asking.filter((sending) => !sending.isStopped);
    const [first, ...others] = this.asking;
    first?.ask(others.length, (replace, all) => {
      const answered = this.asking.splice(0, all ? this.asking.length : 1);
      for (const sending of answered) sending.replace = replace;
      this.ask();
      this.asking[0]?.focus();
      this.send(answered);
    });
  }

  // One after the other, so that they are read in the order in which they were given.
  /** @param {Sending[]} sendings */
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

  /** @param {Sending} sending */
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
      if (sending.isStopped) return;
      sending.row.remove();
      if (error.status === 409) this.known.add(sending.file.name, error.message);
      else this.refused.add(sending.file.name, error.message, error.isDown ? ["Send again", () => this.again(sending)] : null);
    }
  }

  again(sending) {
    this.list.append(sending.row);
    this.send([sending]);
  }

  check({ file }) {
    const most = Number(this.zone.dataset.bytes);
    if (file.size > most) throw new Error(`it is larger than the limit of ${Math.round(most / 2 ** 20)} MB: split it into parts`);
  }
}
