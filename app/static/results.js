// The list of pages that were found: a page image with its heat, a score, and what each word brought.

import * as api from "./api.js";
import { byId, icon, make, penOf, say } from "./dom.js";
import { ALL, Heatmap, isAbsent } from "./heatmap.js";
import { nameToTell } from "./names.js";
import { loadPatiently } from "./patience.js";

const THUMBNAIL = 220; // pixels: twice what is shown, for dense screens
const FAINT = 0.8;
const THUMB = "M2.5 7h2v6.5h-2zM4.5 7.5l3-5.5c1 0 1.7.7 1.4 1.9l-.6 2.4h4a1.3 1.3 0 0 1 1.2 1.6l-1.1 4.5a1.4 1.4 0 0 1-1.3 1.1H4.5";
/** @type {[Api.HitView["verdict"], string, string][]} */
const VERDICTS = [["relevant", "answers the question", THUMB], ["irrelevant", "does not answer the question", THUMB]];

export class Results {
  /** @param {HTMLElement} list */
  constructor(list, events) {
    this.events = events; // choose(hit, query), judged(), chosen: pages to save, folder(id) -> its document's, where that tells; note(hit) -> a few words
    this.list = list;
    this.query = {};
    this.reranker = "";
    /** @type {(hit: Api.HitView) => [string, number][]} */
    this.bars = () => [];
    /** @type {Api.HitView[]} */
    this.ordered = [];
  }

  clear() {
    this.request = {}; // thumbnails of an older answer are not painted any more
    this.ordered = [];
    this.list.replaceChildren();
  }

  /** @param {Api.Answers["GET /search"] | null} answer
   * @param {import("./address.js").State} query */
  show(answer, query) {
    this.clear();
    if (!answer) return;
    this.query = query;
    this.reranker = answer.reranker?.name ?? "";
    this.bars = bars(answer.hits, this.reranker);
    this.ordered = []; // as they stand below each other
    for (const [heading, hits] of groups(answer.hits, { isGrouped: query.grouped, name: (hit) => this.nameOf(hit) })) {
      if (heading) this.list.append(make("li", { class: "cv-group" }, heading));
      this.list.append(...hits.map((hit) => this.card(hit)));
      this.ordered.push(...hits);
    }
    this.showChosen();
    this.paint(answer.hits, query);
  }

  nameOf(hit) {
    return nameToTell(hit.document, this.events.folder(hit.document_id));
  }

  showChosen() {
    const { chosen } = this.events;
    this.list.classList.toggle("has-chosen", chosen.pages.length > 0);
    const boxes = /** @type {NodeListOf<HTMLInputElement>} */ (this.list.querySelectorAll(".cv-choose-page"));
    for (const box of boxes) box.checked = chosen.has(box.dataset.document, Number(box.dataset.page));
  }

  // One after the other: the page that the user clicks meanwhile must not wait behind ten others.
  /** @param {Api.HitView[]} hits
   * @param {import("./address.js").State} query */
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
        penOf(canvas).drawImage(heat, 0, 0);
        this.showLine(hit, why, canvas);
      } catch {
        return; // the thumbnails stay without heat; opening the page says what is wrong
      }
    }
  }

  // The place where most of the question stands, large enough to be read; none where nothing was seen.
  showLine(hit, why, canvas) {
    const shown = canvas.closest(".cv-card").querySelector(".cv-line-of");
    const image = canvas.previousElementSibling;
    const { offsetWidth: width, offsetHeight: height } = shown ?? {};
    const line = shown && width && bestLine(why, { shape: height / width, aspect: image.naturalHeight ? image.naturalHeight / image.naturalWidth : A4 });
    if (!line) return shown?.remove();
    const [left, top, right, bottom] = line.part;
    const within = ([x, y, toX, toY]) => `left: ${share(x - left, right - left)}; top: ${share(y - top, bottom - top)}; ` +
      `width: ${share(toX - x, right - left)}; height: ${share(toY - y, bottom - top)}`;
    const picture = loadPatiently(make("img", { alt: "", loading: "lazy" }), api.pagePart(hit.document_id, hit.page, line.part, Math.min(2000, Math.max(64, 2 * width))));
    const shape = `aspect-ratio: ${width} / ${height}`; // kept where the card becomes wider
    return shown.replaceChildren(make("span", { class: "cv-line-part", style: shape }, picture, ...line.boxes.map((box) => make("i", { style: within(box) }))));
  }

  /** @param {Api.HitView} hit */
  card(hit) {
    const query = this.query;
    const note = this.events.note?.(hit);
    const place = `page ${hit.page} of ${hit.pages}`;
    const image = loadPatiently(make("img", { alt: "", loading: "lazy" }), api.pageImage(hit.document_id, hit.page, THUMBNAIL));
    const name = nameToTell(hit.document, this.events.folder(hit.document_id));
    const scored = `${reranked(hit, this.reranker)}${shares(hit)}`;
    const button = make("button", { type: "button", class: "cv-card", onclick: () => this.events.choose(hit, query),
      onpointerdown: (event) => {
        if (event.button === 0 && event.pointerType !== "touch") api.expectPageImage(hit.document_id, hit.page); // a touch may scroll
      },
      "aria-label": `Result ${hit.rank}: ${name}, ${place}, ${scored}` },
    make("span", { class: "cv-thumb" }, image, make("canvas", { "aria-hidden": "true", width: 1, height: 1 })),
    make("span", { class: "cv-facts" },
      make("span", { class: "cv-place" }, make("b", {}, String(hit.rank)), place),
      make("span", { class: "cv-document", title: name }, name),
      make("span", { class: "cv-score", title: scored }, bar(this.bars(hit), scored), make("span", { class: "cv-figure" }, figure(hit, this.reranker))),
      this.reranker ? make("span", { class: "cv-note" }, `score before ${hit.score.toFixed(2)}`) : null,
      note ? make("span", { class: "cv-note" }, note) : null,
      make("span", { class: "cv-words" }, ...hit.words.map(word))),
    query.q ? make("span", { class: "cv-line-of", "aria-hidden": "true" }) : null);
    return make("li", { "data-page": `${hit.document_id} ${hit.page}` }, button, this.events.chosen.box(hit, name), query.q ? this.judge(hit, place) : null);
  }

  // Whether the page answers the question: pressed again, the verdict is taken back.
  /** @param {Api.HitView} hit
   * @param {string} place */
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

// Contents and index pages name what others are about: where such a page of the same document was found, they stand
// below, under words that say so. By document, they stand together in the order of their best pages. Within each group
// the order is that of the number.
/** @param {Api.HitView[]} hits
 * @returns {[string, Api.HitView[]][]} */
function groups(hits, { isGrouped, name }) {
  const about = new Set(hits.filter((hit) => !hit.is_listing).map((hit) => hit.document_id));
  const isBelow = (hit) => hit.is_listing && about.has(hit.document_id);
  const above = hits.filter((hit) => !isBelow(hit));
  const documents = [...new Set(above.map((hit) => hit.document_id))];
  const ofDocument = (id) => above.filter((hit) => hit.document_id === id);
  /** @type {[string, Api.HitView[]][]} */
  const parts = isGrouped ? documents.map(ofDocument).map((of) => [name(of[0]), of]) : [["", above]];
  const below = hits.filter(isBelow);
  return below.length ? [...parts, ["Contents and index pages, which name what the pages above are about", below]] : parts;
}

const A4 = Math.SQRT2; // height of a page by its width, where its image has not come yet
const LINE_WIDTH = 0.5; // of the page: a line of print is legible in it
const LINES = 0.012; // of the page's height: what is nearer stands in one line
const share = (part, whole) => `${((part / whole) * 100).toFixed(2)}%`;

// The part of a page, of so high a `shape` by its width, that holds the line in which most of the score was found.
/** @param {Api.ExplanationView} why
 * @param {{ shape: number, aspect: number }} shape */
function bestLine({ matches, scale }, { shape, aspect }) {
  const least = scale.is_probability ? SEEN : 0;
  const seen = matches.flatMap(({ box, contribution, strength }) => (box && strength >= least ? [{ box, contribution }] : []));
  if (!seen.length) return null;
  const middle = ({ box: [, top, , bottom] }) => (top + bottom) / 2;
  const lines = seen.map((match) => seen.filter((other) => Math.abs(middle(other) - middle(match)) < LINES));
  const brought = (line) => line.reduce((sum, { contribution }) => sum + contribution, 0);
  const best = lines.reduce((a, b) => (brought(b) > brought(a) ? b : a));
  const boxes = best.map(({ box }) => box);
  const [left, right] = [Math.min(...boxes.map((box) => box[0])), Math.max(...boxes.map((box) => box[2]))];
  const width = Math.min(1, Math.max(LINE_WIDTH, (right - left) * 1.15));
  const height = Math.min(1, (width * shape) / aspect);
  const x = clamp((left + right) / 2 - width / 2, 1 - width);
  const y = clamp(middle(best[0]) - height / 2, 1 - height);
  return { part: [x, y, x + width, y + height], boxes };
}

const SEEN = 0.2; // the strength of a word that was seen at all
const clamp = (value, most) => Math.max(0, Math.min(most, value));

// What a score came from: its shares by name, in words; other names are further encoders.
const SHARES = new Map([["maxsim", "the image of the page"], ["text", "its text layer"], ["document", "its document's name"]]);

// The most that the words could bring: a bar is a share of it, so that a weak page looks weak even where it is the best.
const mostOf = ({ score, score_terms, strength }) => (strength > 0 ? (score - total(Object.values(score_terms))) / strength : 0);
const total = (values) => values.reduce((sum, value) => sum + value, 0);

/** @param {Api.HitView} hit */
function shares(hit) {
  const parts = Object.entries(hit.shares).map(([name, value]) => `${value.toFixed(2)} of ${SHARES.get(name) ?? `the encoder ${name}`}`);
  return `score ${hit.score.toFixed(2)}${parts.length > 1 ? `: ${parts.join(", ")}` : ""}`;
}

// The number that the list is ordered by; a reranker gives none to what it cannot read.
const figure = (hit, reranker) => (reranker ? (hit.rerank_score?.toFixed(2) ?? "–") : hit.score.toFixed(2));
const reranked = (hit, reranker) => (reranker ? `${figure(hit, reranker)} by ${reranker}, before it ` : "");

// The bar is of the number beside it. Nobody knows the most that a reranker gives: its bars go from the lowest of the
// results, or 0, to the highest.
/** @param {Api.HitView[]} hits
 * @param {string} reranker
 * @returns {(hit: Api.HitView) => [string, number][]} */
function bars(hits, reranker) {
  const given = hits.map((hit) => hit.rerank_score).filter((score) => score !== null);
  const [low, high] = [Math.min(0, ...given), Math.max(...given)];
  const most = Math.max(...hits.map(mostOf), ...hits.map((hit) => hit.score));
  return ({ rerank_score: score, shares }) => {
    if (!reranker) return Object.entries(shares).map(([name, value]) => [SHARES.has(name) ? name : "encoder", value / most]);
    return score === null ? [] : [["reranker", (score - low) / (high - low || 1)]];
  };
}

function bar(parts, words) {
  const drawn = parts.map(([name, share]) => make("i", { class: `is-${name}`, style: `width: ${Math.max(0, share * 100).toFixed(1)}%` }));
  return make("span", { class: "cv-score-bar", role: "img", "aria-label": words }, ...drawn);
}

/** @param {Api.WordView} found */
function word(found) {
  const gauge = make("i");
  gauge.style.width = `${(found.strength * 100).toFixed(0)}%`;
  const how = isAbsent(found) ? " is-faint" : found.in_text ? " is-in-text" : "";
  const title = [`similarity ${found.similarity.toFixed(2)}`, found.printed && `stands there as ${found.printed}`, found.in_text && "stands in the text layer", found.in_name && "stands in the document's name", found.unread && UNREAD];
  return make("span", { class: `cv-word${how}`, title: title.filter(Boolean).join(", ") },
    make("span", {}, found.word), make("span", { class: "cv-gauge", "aria-hidden": "true" }, gauge));
}

const UNREAD = "letters that the encoder does not read from images";
