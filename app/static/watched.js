// Folders of the server's machine whose files are read as they come.

import * as api from "./api.js";
import { byId, make, plural } from "./dom.js";

export class Watched {
  constructor(events) {
    this.events = events; // act(action), collection() -> its name
    byId("cv-watch-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const folder = byId("cv-watch-folder").value.trim();
      if (!folder) return;
      this.events.act(async () => {
        await api.watchFolder(folder, this.events.collection());
        byId("cv-watch-folder").value = "";
      });
    });
  }

  /** @param {Api.Answers["GET /library"]} library */
  show({ watched, may_watch: mayWatch }) {
    byId("cv-watched").hidden = !mayWatch && !watched.length;
    byId("cv-watch-form").hidden = !mayWatch;
    byId("cv-watched-title").textContent = watched.length ? `Watched folders (${watched.length})` : "Watch a folder";
    byId("cv-watched-list").replaceChildren(...watched.map((each) => this.row(each, mayWatch)));
  }

  /** @param {Api.WatchedFolderView} watched
   * @param {boolean} mayStop */
  row({ folder, collection, files, waiting, failed, trouble }, mayStop) {
    const stop = make("button", { type: "button", class: "cv-icon cv-erase", title: "Watch it no more", "aria-label": `Watch ${folder} no more`,
      "data-key": `unwatch-${folder}`, onclick: () => this.events.act(() => api.unwatchFolder(folder)) }, "×");
    const left = waiting ? `, ${waiting} to be read` : "";
    const lost = failed.length ? make("details", { class: "cv-fold" }, make("summary", {}, `${plural(failed.length, "file")} not read`),
      make("ul", { class: "cv-meta cv-listed" }, ...failed.map(({ name, reason }) => make("li", {}, make("bdi", {}, name), `: ${reason}`)))) : null;
    const state = trouble || `${plural(files, "file")}${left} · into ${collection}`;
    return make("li", { class: "cv-row" }, make("span", { class: "cv-name", title: folder }, folder), mayStop ? stop : null,
      make("p", { class: `cv-meta ${trouble ? "cv-state" : ""}` }, state), lost);
  }
}
