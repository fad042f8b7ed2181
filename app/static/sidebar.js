// The sidebar: documents, and the files that wait or are being read. It asks the server; nothing is kept here.

import * as api from "./api.js";
import { FIRST } from "./collections.js";
import { byId, focusOn, icon, inBytes, inTime, make, plural, say } from "./dom.js";
import { healthDetails } from "./health.js";
import { factWords } from "./facts.js";
import { foldersToTell } from "./names.js";
import { Shelf } from "./shelf.js";
import { Watched } from "./watched.js";

const WAIT_S = 25; // for a change: proxies give up after a minute
const PAUSE_MS = 700; // between two changes: more often nobody can read
const LOST_MS = 4000;
const PENCIL = "M2.5 13.5l.7-3L10.6 3a1.4 1.4 0 0 1 2 0l.4.4a1.4 1.4 0 0 1 0 2L5.5 12.8z";
const BIN = "M2.5 4h11M6 4V2.5h4V4m2 0-.5 9.5h-7L4 4m2.7 2.5.2 4.5m2.4-4.5-.2 4.5";

export class Sidebar {
  constructor(events) {
    this.events = events; // open(document), changed(library), collection() -> its name, back(): the server is there again
    this.shown = "";
    /** @type {Api.Answers["GET /library"] | null} */
    this.library = null;
    /** @type {Promise<void> | null} */
    this.listed = null; // comes when the library was read for the first time
    /** @type {Map<string, string>} */
    this.folders = new Map(); // of the documents that their names do not tell apart, by id
    this.confirming = ""; // the document whose deletion is being confirmed
    this.unfolded = new Set(); // the documents of which is shown what was not read
    this.resuming = new Set(); // those that were just asked to be gone on with: nobody asks twice
    this.shelf = new Shelf({ redraw: () => this.redraw(), act: (action) => this.act(action) });
    this.watched = new Watched({ act: (action) => this.act(action), collection: events.collection });
    byId("cv-sample").addEventListener("click", () => this.act(api.loadSample));
    document.addEventListener("visibilitychange", () => this.refresh());
    byId("cv-documents").addEventListener("pointerdown", () => (this.isPressed = true));
    for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => this.release());
  }

  async watch() {
    const refreshed = this.refresh({ wait: this.library && !this.isLost ? WAIT_S : 0 });
    this.listed ??= refreshed; // the first time
    await refreshed;
    setTimeout(() => this.watch(), this.isLost || document.hidden ? LOST_MS : PAUSE_MS);
  }

  async refresh({ wait = 0 } = {}) {
    if (document.hidden && this.library) return;
    try {
      const library = await api.readLibrary({ wait });
      const wasLost = this.isLost;
      if (wasLost) say(byId("cv-library-message"), "");
      this.isLost = false;
      if (this.isPressed) this.late = library;
      else this.show(library);
      if (wasLost) this.events.back();
    } catch (error) {
      this.isLost = true;
      say(byId("cv-library-message"), error.message);
    }
  }

  // A row that is replaced while a button is pressed in it loses the click: it waits until the click is done.
  release() {
    setTimeout(() => {
      this.isPressed = false;
      if (this.late) this.show(this.late);
      this.late = null;
    });
  }

  async act(action) {
    try {
      await action();
      say(byId("cv-library-message"), "");
    } catch (error) {
      say(byId("cv-library-message"), error.message);
    }
    await this.refresh();
  }

  redraw() {
    if (this.library) this.show(this.library);
  }

  // What is being read comes first, then what ended with something to tell, then the documents.
  /** @param {Api.Answers["GET /library"]} library */
  show(library) {
    const collection = this.events.collection();
    const text = JSON.stringify([library, this.confirming, [...this.resuming], collection, this.shelf.state]);
    if (text === this.shown) return;
    this.shown = text;
    this.library = library;
    this.folders = foldersToTell(library.documents);
    const focused = document.activeElement?.getAttribute("data-key");
    const here = library.documents.filter((each) => each.collection === collection);
    const jobs = library.jobs.filter((job) => job.kind !== "reencode" && job.collection === collection);
    const jobOf = new Map(jobs.filter((job) => job.document && isActive(job)).map((job) => [job.document, job]));
    const known = new Map(here.map((each) => [each.id, each]));
    const own = jobs.filter((job) => hasOwnRow(job, known.get(job.document)));
    const found = this.shelf.arrange(here, this.folders);
    this.shelf.show(here, found);
    this.watched.show(library);
    byId("cv-documents").replaceChildren(
      ...found.filter((each) => jobOf.has(each.id)).map((each) => this.document(each, jobOf.get(each.id))),
      ...own.filter(isActive).map((job) => this.job(job)),
      ...this.ended(own.filter((job) => !isActive(job))),
      ...found.filter((each) => !jobOf.has(each.id)).map((each) => this.document(each)),
    );
    if (focused) focusOn(focused);
    const isEmpty = !here.length && !jobs.length;
    byId("cv-empty").hidden = !isEmpty;
    const isFirst = collection === FIRST && !library.documents.length;
    byId("cv-empty-text").textContent = isFirst
      ? "The library is empty. Drop a PDF or a scan above, or look around with a manual of ours."
      : `Nothing is in the collection ${collection} yet. Drop a PDF or a scan above.`;
    byId("cv-sample").hidden = !library.has_sample || collection !== FIRST;
    byId("cv-documents-heading").hidden = isEmpty;
    say(byId("cv-status"), this.status(library));
    this.events.changed(library);
  }

  /** @param {Api.Answers["GET /library"]} library */
  status(library) {
    const sum = (name) => library.collections.reduce((whole, each) => whole + each[name], 0);
    const pages = sum("pages");
    const holds = `${plural(pages, "page")}, ${sum("vectors").toLocaleString("en")} patches, ${inBytes(sum("bytes"))}`;
    const line = `${pages ? holds : "No pages yet"} · encoder ${library.encoder} · colvision ${library.version}`;
    return [line, ...library.warnings].join(". ");
  }

  // Several that ended with something to tell stand in one line, which unfolds.
  /** @param {Api.JobView[]} jobs */
  ended(jobs) {
    if (jobs.length < 2) return jobs.map((job) => this.job(job));
    const title = `${plural(jobs.length, "file")} not read to the end`;
    const box = make("details", { class: "cv-fold", open: this.unfolded.has("ended"), ontoggle: () => this.unfolded[box.open ? "add" : "delete"]("ended") },
      make("summary", { "data-key": "ended" }, title), make("ul", { class: "cv-documents" }, ...jobs.map((job) => this.job(job))));
    const dismiss = async () => {
      for (const job of jobs) await api.dismiss(job.key);
    };
    return [make("li", { class: "cv-row is-refused" }, box, make("button", { type: "button", class: "cv-icon cv-erase", title: "Dismiss all",
      "aria-label": `Dismiss: ${title}`, "data-key": "dismiss-ended", onclick: () => this.act(dismiss) }, "×"))];
  }

  /** @param {Api.DocumentView} document
   * @param {Api.JobView} [job] */
  document(document, job) {
    const row = make("li", { class: "cv-row cv-document-row", "data-document": document.id });
    if (this.confirming === document.id) return this.confirm(row, document);
    const { editing } = this.shelf;
    if (editing?.id === document.id) {
      row.append(editing.form);
      return row;
    }
    const open = make("button", { type: "button", class: "cv-name", "data-key": `open-${document.id}`, title: document.name,
      onclick: () => this.events.open(document.id) }, document.name);
    if (!document.stored) open.disabled = true;
    const erase = make("button", { type: "button", class: "cv-icon cv-erase", "aria-label": `Delete ${document.name}`,
      title: "Delete", "data-key": `delete-${document.id}`, onclick: () => this.ask(document.id) }, icon(BIN));
    const edit = make("button", { type: "button", class: "cv-icon cv-erase cv-change", "aria-label": `Rename ${document.name} or edit its facts`,
      title: "Rename, edit facts", "data-key": `edit-${document.id}`, onclick: () => this.shelf.edit(document) }, icon(PENCIL));
    if (job) row.append(this.shelf.box(document), open, this.stop(job), ...progress(job));
    else row.append(this.shelf.box(document), open, edit, erase, ...this.details(document));
    return row;
  }

  // The row says "queued" at once, until the server says how far it is.
  async resume(id) {
    this.resuming.add(id);
    this.redraw();
    focusOn(`open-${id}`);
    await this.act(() => api.resume(id));
    this.resuming.delete(id);
    this.redraw();
  }

  /** @param {Api.DocumentView} document */
  details(document) {
    if (this.resuming.has(document.id)) return progress({ state: "queued", name: document.name });
    const isReady = document.state === "ready";
    const resume = () => this.resume(document.id);
    const size = isReady ? plural(document.pages, "page") : `${document.stored} of ${plural(document.pages, "page")}`;
    const reason = document.reason ? `: ${document.reason}` : "";
    const folder = this.folders.get(document.id);
    const facts = factWords(document.metadata).map((words) => this.shelf.fact(words, document));
    const lines = [`${size} · ${isReady ? inBytes(document.bytes) : document.state + reason}`, folder && `in ${folder}`];
    const health = healthDetails(document, { isOpen: this.unfolded.has(document.id), again: isReady ? resume : null,
      toggled: (isOpen) => this.unfolded[isOpen ? "add" : "delete"](document.id) });
    const rest = make("button", { type: "button", class: "cv-link", "data-key": `on-${document.id}`, onclick: resume }, "Read the rest");
    return [
      ...lines.filter(Boolean).map((line, at) => make("p", { class: isReady || at ? "cv-meta" : "cv-meta cv-state" }, line)),
      ...(facts.length ? [make("p", { class: "cv-facts-line" }, ...facts)] : []),
      ...(health ? [health] : []),
      ...(isReady ? [] : [make("p", { class: "cv-acts" }, rest)]),
    ];
  }

  /** @param {Api.JobView} job */
  job(job) {
    const row = make("li", { class: "cv-row", "data-job": job.key });
    row.append(make("span", { class: "cv-name", title: job.name }, job.name));
    if (isActive(job) && job.replace) row.append(make("p", { class: "cv-meta" }, "another version, which takes its place when it is read"));
    if (isActive(job)) row.append(this.stop(job), ...progress(job));
    else {
      const dismiss = make("button", { type: "button", class: "cv-icon cv-erase", title: "Dismiss",
        "aria-label": `Dismiss ${job.name}`, "data-key": `dismiss-${job.key}`,
        onclick: () => this.act(() => api.dismiss(job.key)) }, "×");
      const isSame = job.state === "ready";
      const reason = job.reason ? `: ${job.reason}` : "";
      const text = isSame ? `Not added${reason}` : `${job.state}${reason}`;
      row.append(dismiss, make("p", { class: `cv-meta ${isSame ? "" : "cv-state"}` }, text[0].toUpperCase() + text.slice(1)));
      if (job.can_retry) row.append(make("p", { class: "cv-acts" }, make("button", { type: "button", class: "cv-link",
        "data-key": `retry-${job.key}`, onclick: () => this.act(() => api.retry(job.key)) }, "Try again")));
    }
    return row;
  }

  /** @param {Api.JobView} job */
  stop(job) {
    return make("button", { type: "button", class: "cv-icon cv-erase", title: "Cancel", "aria-label": `Cancel reading ${job.name}`,
      "data-key": `cancel-${job.key}`, onclick: () => this.act(() => api.cancel(job.key)) }, "×");
  }

  ask(id) {
    this.confirming = id;
    this.redraw();
    focusOn(`keep-${id}`);
  }

  /** @param {HTMLElement} row
   * @param {Api.DocumentView} document */
  confirm(row, document) {
    const erase = () => {
      this.confirming = "";
      return this.act(() => api.remove(document.id));
    };
    row.classList.add("is-asking");
    row.append(
      make("p", { class: "cv-question" }, `Delete ${document.name} with its ${plural(document.pages, "page")}?`),
      make("p", { class: "cv-acts" },
        make("button", { type: "button", class: "cv-button cv-danger", "data-key": `erase-${document.id}`, onclick: erase }, "Delete"),
        make("button", { type: "button", class: "cv-button", "data-key": `keep-${document.id}`, onclick: () => this.ask("") }, "Keep")),
    );
    return row;
  }
}

/** @param {Api.JobView} job */
export const isActive = (job) => job.state === "queued" || job.state === "running";

// Whether a job has a line of its own: where its document is here, only if that does not tell what went wrong.
/** @param {Api.JobView} job
 * @param {Api.DocumentView} [document] */
function hasOwnRow(job, document) {
  if (!document || job.state === "ready") return true;
  return job.state === "failed" && (document.state !== "ready" || job.kind === "resume") && document.reason !== job.reason;
}

// A bar and what it means, for a file that is read or a collection that is encoded again.
/** @param {Partial<Api.JobView>} job */
export function progress(job) {
  const bar = make("progress", { class: "cv-progress", max: job.pages || 1, "aria-label": `Reading ${job.name}` });
  if (job.state === "running" && job.pages) bar.value = job.page ?? 0;
  else if (job.state === "queued") bar.value = 0;
  const speed = job.pages_per_second ? ` · ${job.pages_per_second.toFixed(1)} pages/s` : "";
  const left = job.seconds_left ? ` · ${inTime(job.seconds_left)} left` : "";
  const failed = job.failed_pages ? ` · ${job.failed_pages} failed` : "";
  const opening = job.kind === "reencode" ? "Starting" : "Opening the file";
  const running = job.pages ? `Page ${job.page} of ${job.pages}${speed}${left}${failed}` : opening;
  return [bar, make("p", { class: "cv-meta" }, job.state === "queued" ? "Queued" : running)];
}
