// "Why this page" as a table: also for those who cannot see the colours.

import { make, partsOf, penOf } from "./dom.js";
import { OUTLINE } from "./heatmap.js";

const CROP_CELLS = [4, 1.8]; // columns and rows at least around what was found: enough to read it in its line
const CROP_BOX = 1.2; // of its own size, at least
const CROP_WIDTH = 190; // pixels, doubled for dense screens

export function fillRows(root, heat, page, choose) {
  const part = partsOf(root);
  part("rows").replaceChildren(...(heat?.matches ?? []).map((match, number) => row(match, number, { heat, page, choose })));
  part("score-terms").replaceChildren(...Object.entries(page.why?.score_terms ?? {}).map(term));
  part("total").textContent = page.why ? page.why.score.toFixed(2) : "";
}

// What the score holds beside the words themselves.
const SCORE_TERMS = new Map([
  ["frequency", "How often they stand there"], ["order", "One after the other, as asked"], ["near", "Near each other"],
  ["text", "In the text layer"], ["document", "In the document's name"],
]);

function term([name, value]) {
  return make("tr", {}, make("th", { scope: "row", colspan: 2 }, SCORE_TERMS.get(name) ?? `By the encoder ${name}`), make("td", { class: "cv-number" }, value.toFixed(2)));
}

function row(match, number, { heat, page, choose }) {
  const box = heat.isUnseen(match) ? match.text_boxes[0] : match.box; // of what was hardly seen there is none, but as text
  const seen = box ? crop(match, box, heat, page) : make("em", {}, match.box ? "hardly seen" : "the page as a whole");
  const shown = heat.scale.is_probability ? match.strength : match.similarity;
  const title = `similarity ${match.similarity.toFixed(3)}`;
  const word = make("button", { type: "button", class: "cv-seen", onclick: () => choose(number) },
    make("b", {}, match.word, match.printed && ` (${match.printed})`, match.in_text ? inText() : null), seen);
  return make("tr", { "data-word": number },
    make("td", {}, word),
    make("td", { class: "cv-number", title }, shown.toFixed(2)),
    make("td", { class: "cv-number" }, match.contribution.toFixed(2)));
}

// The mark of a word that the text layer holds, whatever was seen of it.
export const inText = () => make("span", { class: "cv-in-text", role: "img", "aria-label": "in the text layer", title: "In the text layer" });

function crop(match, box, heat, page) {
  const [left, top, right, bottom] = box;
  const { width: naturalWidth, height: naturalHeight } = page.image;
  const width = Math.min(1, Math.max(CROP_CELLS[0] / heat.cols, (right - left) * CROP_BOX)) * naturalWidth;
  const height = Math.min(1, Math.max(CROP_CELLS[1] / heat.rows, (bottom - top) * CROP_BOX)) * naturalHeight;
  const x = within(((left + right) / 2) * naturalWidth - width / 2, naturalWidth - width);
  const y = within(((top + bottom) / 2) * naturalHeight - height / 2, naturalHeight - height);
  const canvas = make("canvas", { class: "cv-crop", role: "img", width: CROP_WIDTH * 2, height: Math.round((CROP_WIDTH * 2 * height) / width) });
  const [row, col] = [(top + bottom) / 2, (left + right) / 2].map((at, axis) => Math.ceil(at * [heat.rows, heat.cols][axis]));
  const place = match.box === box && match.cell ? match.cell.map((at) => at + 1) : [row, col];
  canvas.setAttribute("aria-label", `The place of ${match.word}, row ${place[0]}, column ${place[1]}`);
  const context = penOf(canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(page.image, x, y, width, height, 0, 0, canvas.width, canvas.height);
  const scale = canvas.width / width;
  const [across, down] = [naturalWidth * scale, naturalHeight * scale];
  context.lineWidth = 4;
  context.strokeStyle = `rgb(${OUTLINE.join(" ")} / 75%)`;
  context.strokeRect(left * across - x * scale, top * down - y * scale, (right - left) * across, (bottom - top) * down);
  return canvas;
}

const within = (value, most) => Math.max(0, Math.min(most, value));
