// The words of a page as text over its image: invisible, to be selected, copied and read aloud.

import { penOf } from "./dom.js";

const FAMILY = "sans-serif";
const EM = 100; // pixels of the size at which words are measured
const RIGHT_TO_LEFT = /^[^\p{L}]*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/u;

// `words` in reading order, as REST has them; `aspect` is the page's width by its height. All lengths are shares of the
// page (cqw, cqh) or of the letters (em), so that zooming asks for nothing here.
/** @param {HTMLElement} layer
 * @param {Api.PrintedWordView[]} words
 * @param {number} aspect */
export function fillText(layer, words, aspect) {
  const lines = linesOf(words);
  layer.replaceChildren(...lines.map((line) => drawnLine(line, aspect)));
}

// A line ends where the next word stands lower, higher or further back: as `text_of` in colvision/core/page.py.
/** @param {Api.PrintedWordView[]} words */
function linesOf(words) {
  const lines = [];
  let before;
  for (const { text, box } of words) {
    const isRtl = RIGHT_TO_LEFT.test(text);
    const [left, top, right, bottom] = box;
    const word = { text, isRtl, start: isRtl ? 1 - right : left, end: isRtl ? 1 - left : right, top, bottom };
    const middle = (top + bottom) / 2;
    const goesOn = before && before.isRtl === isRtl && before.top <= middle && middle <= before.bottom && word.start >= before.start;
    if (!goesOn) lines.push([]);
    lines.at(-1).push(word);
    before = word;
  }
  return lines;
}

const pen = penOf(document.createElement("canvas"));

function drawnLine(words, aspect) {
  const line = document.createElement("div");
  const top = Math.min(...words.map((word) => word.top));
  const size = Math.max(...words.map((word) => word.bottom)) - top; // of the page's height
  const letters = words.map((word) => word.bottom - word.top).sort((one, other) => one - other)[Math.floor(words.length / 2)];
  line.dir = words[0].isRtl ? "rtl" : "ltr";
  line.style.cssText = `top: ${top * 100}%; height: ${size * 100}%; font-size: ${letters * 100}cqh; line-height: ${size / letters}`;
  line.style.insetInlineStart = `${words[0].start * 100}%`;
  line.append(...words.map((word, i) => drawnWord(word, words[i + 1], letters / aspect)));
  return line;
}

// As wide as it is printed, and the blank after it as wide as the gap: by the space between letters and between words.
function drawnWord({ text, start, end }, next, em) {
  const word = document.createElement("span");
  word.textContent = text + (next ? " " : "\n");
  Object.assign(pen, { font: `${EM}px ${FAMILY}`, fontKerning: "none" });
  const measured = (part) => pen.measureText(part).width / EM;
  const between = ((end - start) / em - measured(text)) / [...text].length;
  word.style.letterSpacing = `${between}em`;
  if (next) word.style.wordSpacing = `${(next.start - end) / em - measured(" ") - between}em`;
  return word;
}
