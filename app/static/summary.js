// One line above the results: how many pages were searched, and what that took.

import { JUDGEMENTS } from "./api.js";
import { byId, make, plural } from "./dom.js";
import { isAbsent } from "./heatmap.js";
import { inText } from "./match_table.js";

export const inMilliseconds = (value) => (value < 9.95 ? value.toFixed(1).replace(/\.0$/, "") : Math.round(value).toString());

const key = (mark, meaning) => make("span", { class: "cv-key cv-quiet" }, mark, ` ${meaning}`);

// `added` pages have come since; `again` searches once more; `judged` pages have a verdict.
/** @param {Api.Answers["GET /search"] | null} answer */
export function summarise(answer, { added, again, judged, isLimited, what }) {
  const line = byId("cv-summary");
  line.replaceChildren();
  line.hidden = !answer;
  if (!answer) return;
  if (answer.pages === 0) {
    line.append(isLimited ? "No page is within the limits of this search." : "There is no page to search yet: add a document first.");
    return;
  }
  const { total = 0, ...parts } = answer.timing_ms;
  const other = total - Object.values(parts).reduce((sum, part) => sum + part, 0);
  if (other > total / 10) parts.other = other; // such as what a first search loads
  const listed = Object.entries(parts).map(([name, value]) => `${name.replaceAll("_", " ")} ${inMilliseconds(value)}`);
  if (answer.mode !== "exact") listed.push(`${plural(answer.candidates, "page")} compared in full`);
  if (answer.retrievers.includes("bm25")) listed.push("pixels and text layer");
  if (answer.reranker) listed.push(`the best ${answer.reranker.candidates} ordered by ${answer.reranker.name}`);
  const place = what ? ` for what is ${what}` : "";
  line.append(`Searched ${plural(answer.pages, "page")}${place} in ${inMilliseconds(total)} ms `, make("span", { class: "cv-quiet" }, `(${listed.join(", ")})`));
  const words = answer.hits.flatMap((hit) => hit.words);
  if (words.some((word) => word.in_text)) line.append(" ", key(inText(), "in the text layer"));
  const others = Object.entries(answer.other_words).map(([word, found]) => `${found.join(", ")} (${word})`);
  if (others.length) line.append(" · ", make("span", { class: "cv-quiet" }, `Also looked for: ${others.join(", ")}`));
  if (words.some(isAbsent)) line.append(" ", key(make("s", {}, "word"), "hardly seen"));
  if (added > 0) {
    const text = `${plural(added, "page")} added since: search again`;
    line.append(" ", make("button", { type: "button", class: "cv-link", onclick: again }, text));
  }
  if (judged) {
    const text = `Export ${plural(judged, "judgement")}`;
    line.append(" ", make("a", { class: "cv-link", href: JUDGEMENTS, download: "judgements.jsonl" }, text));
  }
}
