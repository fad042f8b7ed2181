// The list of pages that were found: a page image with its heat, a score, and what each word brought.

import * as api from "./api.js";
import { byId, icon, make, say } from "./dom.js";
import { ABSENT, ALL, Heatmap } from "./heatmap.js";

const THUMBNAIL = 220; // pixels: twice what is shown, for dense screens
const FAINT = 0.8;
const THUMB = "M2.5 7h2v6.5h-2zM4.5 7.5l3-5.5c1 0 1.7.7 1.4 1.9l-.6 2.4h4a1.3 1.3 0 0 1 1.2 1.6l-1.1 4.5a1.4 1.4 0 0 1-1.3 1.1H4.5";
const VERDICTS = [["relevant", "answers the question", THUMB], ["irrelevant", "does not answer the question", THUMB]];

export class Results {
  constructor(list, events) {
    this.events = events; // choose(hit, query), judged(), note(hit) -> a few words on its card
    this.list = list;
  }

  clear() {
    this.request = {}; // thumbnails of an older answer are not painted any more
    this.list.replaceChildren();
  }

  show(answer, query) {
    this.clear();
    if (!answer) return;
    this.query = query;
    this.list.append(...answer.hits.map((hit) => this.card(hit)));
    this.paint(answer.hits, query);
  }

  // One after the other: the page that the user clicks meanwhile must not wait behind ten others.
  async paint(hits, query) {
    const request = (this.request = {});
    for (const hit of hits) {
      if (this.request !== request) return;
      try {
        const why = await api.explain(query, hit.document_id, hit.page);
        if (this.request !== request) return;
        const canvas = this.cardOf(hit.document_id, hit.page)?.querySelector("canvas");
        const heat = new Heatmap(why).toCanvas(ALL, FAINT);
        if (!canvas) continue;
        canvas.width = heat.width;
        canvas.height = heat.height;
        canvas.getContext("2d").drawImage(heat, 0, 0);
      } catch {
        return; // the thumbnails stay without heat; opening the page says what is wrong
      }
    }
  }

  card(hit) {
    const query = this.query;
    const note = this.events.note?.(hit);
    const place = `page ${hit.page} of ${hit.pages}`;
    const image = make("img", { src: api.pageImage(hit.document_id, hit.page, THUMBNAIL), alt: "", loading: "lazy" });
    const bar = make("span", { class: "cv-score-bar", role: "img", "aria-label": `Score ${hit.score.toFixed(2)}` }, make("i"));
    bar.firstChild.style.width = `${(hit.strength * 100).toFixed(1)}%`;
    const button = make("button", { type: "button", class: "cv-card", onclick: () => this.events.choose(hit, query),
      "aria-label": `Result ${hit.rank}: ${hit.document}, ${place}, score ${hit.score.toFixed(2)}` },
    make("span", { class: "cv-thumb" }, image, make("canvas", { "aria-hidden": "true", width: 1, height: 1 })),
    make("span", { class: "cv-facts" },
      make("span", { class: "cv-place" }, make("b", {}, String(hit.rank)), place),
      make("span", { class: "cv-document", title: hit.document }, hit.document),
      make("span", { class: "cv-score" }, bar, make("span", { class: "cv-figure" }, hit.score.toFixed(2)), text(hit)),
      note ? make("span", { class: "cv-note" }, note) : null,
      make("span", { class: "cv-words" }, ...hit.words.map(word))));
    return make("li", { "data-page": `${hit.document_id} ${hit.page}` }, button, query.q ? this.judge(hit, place) : null);
  }

  // Whether the page answers the question: pressed again, the verdict is taken back.
  judge(hit, place) {
    const query = this.query;
    const thumb = ([verdict, words, drawing]) => make("button", { type: "button", class: "cv-thumb-button", "data-verdict": verdict,
      "aria-pressed": String(hit.verdict === verdict), "aria-label": `${place} of ${hit.document} ${words}`, title: `This page ${words}`,
      onclick: (event) => this.vote(query, hit, verdict, event.currentTarget.parentElement) }, icon(drawing));
    return make("span", { class: "cv-judge" }, ...VERDICTS.map(thumb));
  }

  async vote(query, hit, pressed, box) {
    const verdict = hit.verdict === pressed ? "" : pressed;
    try {
      await api.judge(query, hit.document_id, hit.page, verdict);
    } catch (error) {
      return say(byId("cv-message"), error.message);
    }
    hit.verdict = verdict;
    for (const button of box.children) button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
    return this.events.judged();
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

const text = ({ text_score: score, fused }) =>
  !score ? null : make("span", { class: "cv-figure",
    title: `score of the text layer (BM25); with the pixels it makes ${fused.toFixed(2)} of 1, by which pages are ordered` }, `text ${score.toFixed(1)}`);

function word({ word: text, similarity, strength }) {
  const gauge = make("i");
  gauge.style.width = `${(strength * 100).toFixed(0)}%`;
  const isFaint = strength < ABSENT;
  return make("span", { class: `cv-word${isFaint ? " is-faint" : ""}`, title: `similarity ${similarity.toFixed(2)}` },
    make("span", {}, text), make("span", { class: "cv-gauge", "aria-hidden": "true" }, gauge));
}
