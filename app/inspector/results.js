// The list of pages that were found: a picture with its heat, a score, and what each word brought.

import * as api from "./api.js";
import { byId, make } from "./dom.js";
import { ABSENT, ALL, Heat } from "./heat.js";

const THUMBNAIL = 220; // pixels: twice what is shown, for dense screens
const FAINT = 0.8;

export class Results {
  constructor(events) {
    this.events = events; // choose(hit)
    this.list = byId("cv-results");
  }

  clear() {
    this.turn = {}; // thumbnails of an older answer are not painted any more
    this.list.replaceChildren();
  }

  show(answer, asked) {
    this.clear();
    if (!answer) return;
    this.list.append(...answer.hits.map((hit) => this.card(hit)));
    this.paint(answer.hits, asked);
  }

  // One after the other: the page that the user clicks meanwhile must not wait behind ten others.
  async paint(hits, asked) {
    const turn = (this.turn = {});
    for (const hit of hits) {
      if (this.turn !== turn) return;
      try {
        const why = await api.explain(asked, hit.document_id, hit.page);
        if (this.turn !== turn) return;
        const canvas = this.cardOf(hit.document_id, hit.page)?.querySelector("canvas");
        const picture = new Heat(why).picture(ALL, FAINT);
        if (!canvas) continue;
        canvas.width = picture.width;
        canvas.height = picture.height;
        canvas.getContext("2d").drawImage(picture, 0, 0);
      } catch {
        return; // the thumbnails stay without heat; opening the page says what is wrong
      }
    }
  }

  card(hit) {
    const place = `page ${hit.page} of ${hit.pages}`;
    const image = make("img", { src: api.pictureOf(hit.document_id, hit.page, THUMBNAIL), alt: "", loading: "lazy" });
    const bar = make("span", { class: "cv-score-bar", role: "img", "aria-label": `Score ${hit.score.toFixed(2)}` }, make("i"));
    bar.firstChild.style.width = `${(hit.strength * 100).toFixed(1)}%`;
    const button = make("button", { type: "button", class: "cv-card", onclick: () => this.events.choose(hit),
      "aria-label": `Result ${hit.rank}: ${hit.document}, ${place}, score ${hit.score.toFixed(2)}` },
    make("span", { class: "cv-thumb" }, image, make("canvas", { "aria-hidden": "true", width: 1, height: 1 })),
    make("span", { class: "cv-facts" },
      make("span", { class: "cv-place" }, make("b", {}, String(hit.rank)), place),
      make("span", { class: "cv-document", title: hit.document }, hit.document),
      make("span", { class: "cv-score" }, bar, make("span", { class: "cv-figure" }, hit.score.toFixed(2))),
      make("span", { class: "cv-words" }, ...hit.words.map(word))));
    return make("li", { "data-page": `${hit.document_id} ${hit.page}` }, button);
  }

  cardOf(document, page) {
    return this.list.querySelector(`[data-page="${CSS.escape(`${document} ${page}`)}"] .cv-card`);
  }

  mark(document, page) {
    for (const card of this.list.querySelectorAll("[aria-current]")) card.removeAttribute("aria-current");
    this.cardOf(document, page)?.setAttribute("aria-current", "true");
  }

  reveal() {
    this.list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }
}

function word({ word: text, similarity, strength }) {
  const gauge = make("i");
  gauge.style.width = `${(strength * 100).toFixed(0)}%`;
  const isFaint = strength < ABSENT;
  return make("span", { class: `cv-word${isFaint ? " is-faint" : ""}`, title: `similarity ${similarity.toFixed(2)}` },
    make("span", {}, text), make("span", { class: "cv-gauge", "aria-hidden": "true" }, gauge));
}
