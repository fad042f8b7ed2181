// An answer in words, by the model that the server was started with. Nothing is sent before the button is pressed, and
// what will be sent stands beside it. What the model writes is shown as text; its citations are checked by the server.

import * as api from "./api.js";
import { byId, inBytes, make, plural, say } from "./dom.js";

export class Answers {
  constructor(events) {
    this.events = events; // open(document, page, words)
    this.box = byId("cv-answer");
    /** @type {Api.AnswersView | null} */
    this.writer = null;
  }

  // `writer` is who would be asked, { model, host, pages }, null for nobody.
  /** @param {Api.AnswersView | null} writer */
  offer(writer) {
    const isOther = JSON.stringify(writer) !== JSON.stringify(this.writer);
    this.writer = writer;
    if (isOther && this.shown) this.show(this.shown.answer, this.shown.query);
  }

  // For an answer of a search with words: its best pages are those that would be sent.
  /** @param {Api.Answers["GET /search"] | null} answer
   * @param {{ q: string }} query */
  show(answer, { q }) {
    this.stop();
    this.shown = { answer, query: { q } };
    const { writer } = this;
    const hits = (q && writer && answer?.hits.slice(0, writer.pages)) || [];
    this.box.hidden = !writer || !hits.length;
    if (!writer || !hits.length) return this.box.replaceChildren();
    const button = make("button", { type: "button", class: "cv-button", onclick: () => this.ask(writer, q, hits) }, "Answer from these pages");
    const what = `Sends the question and pictures of ${plural(hits.length, "page")} to ${writer.model} at ${writer.host}: ${hits.map(nameOf).join("; ")}.`;
    return this.box.replaceChildren(make("div", { class: "cv-answer-bar" }, button, make("p", { class: "cv-quiet" }, what)));
  }

  stop() {
    this.asking?.abort();
    this.asking = null;
  }

  /** @param {Api.AnswersView} writer
   * @param {string} q
   * @param {Api.HitView[]} hits */
  async ask(writer, q, hits) {
    this.stop();
    const { signal } = (this.asking = new AbortController());
    const stop = make("button", { type: "button", class: "cv-button", onclick: () => this.stop() }, "Stop");
    const text = make("p", { class: "cv-answer-text", dir: "auto" });
    const state = make("p", { class: "cv-quiet", role: "status" }, `${writer.model} reads ${plural(hits.length, "page")} …`);
    const failed = make("p", { class: "cv-message", role: "alert", hidden: true });
    const sent = make("details", { class: "cv-answer-sent", hidden: true });
    this.box.replaceChildren(make("div", { class: "cv-answer-bar" }, stop, state), text, failed, sent);
    try {
      for await (const event of api.writeAnswer(q, hits, signal)) {
        if (event.sent) fillSent(sent, event.sent);
        else if (event.citation) text.append(this.citation(event.citation));
        else if (event.kind === "text") text.append(event.text);
        else if (event.kind === "error") say(failed, event.text);
      }
      state.textContent = "Written by a model: see whether the pages say so.";
    } catch (error) {
      state.textContent = signal.aborted ? "Stopped." : "";
      if (!signal.aborted) say(failed, error.message);
    }
    if (this.asking?.signal !== signal && !signal.aborted) return;
    stop.replaceWith(make("button", { type: "button", class: "cv-button", onclick: () => this.ask(writer, q, hits) }, "Ask again"));
  }

  // A link to the page, at the words that are quoted; what is no page that was sent is told as that.
  /** @param {Api.CitationView} citation */
  citation({ number, document, document_id, page, quoted, is_found, link }) {
    if (!document_id) return make("span", { class: "cv-cited is-none", title: "no page that was sent" }, `[${number}?]`);
    const isDoubtful = is_found === false;
    const title = `${document}, page ${page}${quoted ? `: “${quoted}”` : ""}${isDoubtful ? ", which was not found there" : ""}`;
    return make("a", { class: `cv-cited${isDoubtful ? " is-none" : ""}`, href: link, title, "aria-label": title, onclick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.events.open(document_id, page, quoted);
    } }, `${number}${isDoubtful ? "?" : ""}`);
  }
}

const nameOf = ({ document, page }) => `${document}, page ${page}`;

/** @param {HTMLElement} box
 * @param {Api.SentView} sent */
function fillSent(box, { model, host, question, instructions, pages }) {
  const bytes = pages.reduce((sum, each) => sum + each.bytes, 0);
  box.hidden = false;
  box.replaceChildren(make("summary", {}, `Sent to ${model} at ${host}: the question, ${plural(pages.length, "picture")}, ${inBytes(bytes)}`),
    make("ol", {}, ...pages.map((each) => make("li", {}, `${nameOf(each)} (${inBytes(each.bytes)})`))),
    make("p", {}, `Question: ${question}`),
    make("p", {}, `Instructions: ${instructions}`));
}
