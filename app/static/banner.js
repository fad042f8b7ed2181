// A collection that another encoder filled cannot be searched: it can be encoded again, from here.

import * as api from "./api.js";
import { byId, make, plural } from "./dom.js";
import { isActive, progress } from "./sidebar.js";

export class Banner {
  constructor(events) {
    this.events = events; // act(action): runs it, tells what fails, and reads the library again
    this.box = byId("cv-banner");
  }

  /** @param {Api.Answers["GET /library"]} library
   * @param {string} name */
  show(library, name) {
    const collection = library.collections.find((each) => each.name === name);
    const job = library.jobs.find((each) => each.kind === "reencode" && each.collection === name);
    const drawn = JSON.stringify([collection, job, library.encoder]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const isWaiting = job && isActive(job);
    this.box.hidden = !collection || !(collection.needs_reencoding || isWaiting || job?.reason);
    if (!collection || this.box.hidden) return;
    const focused = this.box.contains(document.activeElement);
    const content = isWaiting ? this.running(job, collection) : this.offer(collection, job, library.encoder);
    this.box.replaceChildren(...content);
    if (focused) this.box.querySelector("button")?.focus();
  }

  /** @param {Api.JobView} job
   * @param {Api.CollectionView} collection */
  running(job, collection) {
    const stop = make("button", { type: "button", class: "cv-button", onclick: () => this.events.act(() => api.cancel(job.key)) }, "Cancel");
    return [make("p", {}, make("b", {}, `Encoding ${plural(collection.pages, "page")} again`), ` in ${collection.name}`), ...progress(job), stop];
  }

  /** @param {Api.CollectionView} collection
   * @param {Api.JobView | undefined} job
   * @param {string} encoder */
  offer(collection, job, encoder) {
    const ended = job?.reason ? ` ${job.reason}` : "";
    if (job && !collection.needs_reencoding) {
      const dismiss = make("button", { type: "button", class: "cv-button", onclick: () => this.events.act(() => api.dismiss(job.key)) }, "Dismiss");
      return [make("p", {}, ended), dismiss];
    }
    const other = collection.encoder === encoder ? `an earlier ${encoder}` : collection.encoder;
    const text = `The collection ${collection.name} was filled by ${other}: it cannot be searched until its ` +
      `${plural(collection.pages, "page")} are encoded again.${ended}`;
    const start = make("button", { type: "button", class: "cv-button",
      onclick: () => this.events.act(() => api.reencode(collection.name)) }, "Encode again");
    return [make("p", {}, text), start];
  }
}
