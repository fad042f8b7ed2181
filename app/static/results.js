// The list of pages that were found: a page image with its heat, a score, and what each word brought.

import * as api from "./api.js";
import { byId, icon, make, say } from "./dom.js";
import { ALL, Heatmap, isAbsent } from "./heatmap.js";
import { nameToTell } from "./names.js";
import { loadPatiently } from "./patience.js";

const THUMBNAIL = 220; // pixels: twice what is shown, for dense screens
const FAINT = 0.8;
const THUMB = "M2.5 7h2v6.5h-2zM4.5 7.5l3-5.5c1 0 1.7.7 1.4 1.9l-.6 2.4h4a1.3 1.3 0 0 1 1.2 1.6l-1.1 4.5a1.4 1.4 0 0 1-1.3 1.1H4.5";
const VERDICTS = [["relevant", "answers the question", THUMB], ["irrelevant", "does not answer the question", THUMB]];

export class Results {
  constructor(list, events) {
    this.events = events; // choose(hit, query), judged(), folder(id) -> its document's, where that tells; note(hit) -> a few words
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
    this.reranker = answer.reranker?.name ?? "";
    this.most = Math.max(...answer.hits.map(mostOf), ...answer.hits.map((hit) => hit.score));
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
    const image = loadPatiently(make("img", { alt: "", loading: "lazy" }), api.pageImage(hit.document_id, hit.page, THUMBNAIL));
    const name = nameToTell(hit.document, this.events.folder(hit.document_id));
    const button = make("button", { type: "button", class: "cv-card", onclick: () => this.events.choose(hit, query),
      "aria-label": `Result ${hit.rank}: ${name}, ${place}, ${reranked(hit, this.reranker)}${shares(hit)}` },
    make("span", { class: "cv-thumb" }, image, make("canvas", { "aria-hidden": "true", width: 1, height: 1 })),
    make("span", { class: "cv-facts" },
      make("span", { class: "cv-place" }, make("b", {}, String(hit.rank)), place),
      make("span", { class: "cv-document", title: name }, name),
      make("span", { class: "cv-score", title: `${reranked(hit, this.reranker)}${shares(hit)}` }, bar(hit, this.most), make("span", { class: "cv-figure" }, figure(hit, this.reranker))),
      this.reranker ? make("span", { class: "cv-note" }, `score before ${hit.score.toFixed(2)}`) : null,
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

// What of a score the collection's own encoder has not seen on the page: its parts by name, in words; other names are
// further encoders. All the rest is of its image.
const UNSEEN = new Map([["text", "its text layer"], ["document", "its document's name"]]);
const SEEN = new Set(["frequency", "order", "near"]);

const unseen = ({ score_terms }) => Object.entries(score_terms).filter(([name]) => !SEEN.has(name));
const seen = (hit) => hit.score - total(unseen(hit).map(([, value]) => value));

// The most that the words could bring: a bar is a share of it, so that a weak page looks weak even where it is the best.
const mostOf = ({ score, score_terms, strength }) => (strength > 0 ? (score - total(Object.values(score_terms))) / strength : 0);
const total = (values) => values.reduce((sum, value) => sum + value, 0);

function shares(hit) {
  const parts = [["the image of the page", seen(hit)], ...unseen(hit).map(([name, value]) => [UNSEEN.get(name) ?? `the encoder ${name}`, value])];
  const named = parts.length > 1 ? `: ${parts.map(([name, value]) => `${value.toFixed(2)} of ${name}`).join(", ")}` : "";
  return `score ${hit.score.toFixed(2)}${named}`;
}

// The number that the list is ordered by; a reranker gives none to what it cannot read.
const figure = (hit, reranker) => (reranker ? (hit.rerank_score?.toFixed(2) ?? "–") : hit.score.toFixed(2));
const reranked = (hit, reranker) => (reranker ? `${figure(hit, reranker)} by ${reranker}, before it ` : "");

function bar(hit, most) {
  const part = (name, value) => {
    const drawn = make("i", { class: `is-${name}` });
    drawn.style.width = `${Math.max(0, (value / most) * 100).toFixed(1)}%`;
    return drawn;
  };
  return make("span", { class: "cv-score-bar", role: "img", "aria-label": shares(hit) },
    part("seen", seen(hit)), ...unseen(hit).map(([name, value]) => part(UNSEEN.has(name) ? name : "encoder", value)));
}

function word(found) {
  const gauge = make("i");
  gauge.style.width = `${(found.strength * 100).toFixed(0)}%`;
  const how = isAbsent(found) ? " is-faint" : found.in_text ? " is-in-text" : "";
  const title = [`similarity ${found.similarity.toFixed(2)}`, found.printed && `stands there as ${found.printed}`, found.in_text && "stands in the text layer", found.in_name && "stands in the document's name", found.unread && UNREAD];
  return make("span", { class: `cv-word${how}`, title: title.filter(Boolean).join(", ") },
    make("span", {}, found.word), make("span", { class: "cv-gauge", "aria-hidden": "true" }, gauge));
}

const UNREAD = "letters that the encoder does not read from images";
