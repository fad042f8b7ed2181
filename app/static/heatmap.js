// From the bytes of a similarity map to colours on a page.

import { penOf } from "./dom.js";

// Yellow, orange, pink, violet: falls evenly in lightness, so it reads without colour, too; the darkest still leaves print
// a contrast of 4.5 to 1. The same in colvision/explain/heatmap.py: a test compares them.
const COLOURS = [[253, 231, 60], [255, 193, 75], [252, 160, 112], [236, 130, 172], [182, 122, 235]];
const FAINTEST = 0.08; // below it nothing is drawn: a tint everywhere says nothing
const COVER = [0.35, 0.65]; // of the opacity: what the faintest colour has, and what strength 1 adds
export const OUTLINE = [84, 10, 140];
/** @type {[number, number[]][]} */
const CONTOURS = [[0.2, [190, 92, 0]], [0.5, [170, 40, 130]], [0.8, OUTLINE]]; // from which strength, in which colour
const TEXT_LAYER = [11, 110, 104];

export const ALL = -1; // instead of the number of a word
const ABSENT = 0.2; // below it a word was hardly seen; above, the bars say how sure we are
const PLACE = [1 / 10, 1 / 3]; // height and width of a page that are one place of it
const AS_TEXT = 0.6; // strength of a place where only the text layer has a word

// Whether a word is told as missing: hardly seen, though it is in letters that can be, and neither in the text layer nor in the name.
/** @param {Api.WordView} word */
export const isAbsent = ({ strength, in_text, in_name, unread }) => strength < ABSENT && !in_text && !in_name && !unread;

export class Heatmap {
  /** @param {Api.ExplanationView} why */
  constructor(why) {
    const raw = atob(why.map);
    this.codes = Uint8Array.from(raw, (letter) => letter.charCodeAt(0)); // words x rows x cols
    this.rows = why.rows;
    this.cols = why.cols;
    this.scale = why.scale;
    this.matches = why.matches;
    this.strengths = Float32Array.from({ length: 256 }, (_, code) => (code ? this.strength(this.similarity(code)) : 0));
  }

  similarity(code) {
    return this.scale.low + ((code - 1) / 254) * (this.scale.high - this.scale.low);
  }

  strength(similarity) {
    const { is_probability, slope, midpoint, shown_from, shown_to } = this.scale;
    if (is_probability) return 1 / (1 + Math.exp(-slope * (similarity - midpoint)));
    return Math.min(1, Math.max(0, (similarity - shown_from) / (shown_to - shown_from)));
  }

  // Whether a word was hardly seen in the image: only a calibrated encoder can tell.
  /** @param {Api.MatchView} match */
  isUnseen(match) {
    return this.scale.is_probability && match.strength < ABSENT;
  }

  numbersOf(word) {
    return word === ALL ? [...this.matches.keys()] : [word];
  }

  // The strongest word in a cell, of one word or of all: { word, code, strength }.
  cell(row, col, word) {
    const plane = this.rows * this.cols;
    const at = row * this.cols + col;
    /** @type {{ word: number, code: number, strength: number } | null} */
    let best = null;
    for (const number of this.numbersOf(word)) {
      const code = this.codes[number * plane + at];
      if (code && (best === null || this.strengths[code] > best.strength)) {
        best = { word: number, code, strength: this.strengths[code] };
      }
    }
    return best;
  }

  // (rows * cols) the strength of each cell, 0 where nothing is drawn.
  shown(word) {
    const size = this.rows * this.cols;
    const strongest = new Float32Array(size);
    for (const number of this.numbersOf(word)) {
      for (let at = 0; at < size; at++) strongest[at] = Math.max(strongest[at], this.strengths[this.codes[number * size + at]]);
    }
    return strongest.map((strength) => (strength < FAINTEST ? 0 : strength));
  }

  // One pixel a cell; stretched over the page without smoothing, since a patch is what was compared.
  toCanvas(word, opacity) {
    return this.cells(this.shown(word), (strength) => [...colour(strength), 255 * opacity * (COVER[0] + COVER[1] * strength)]);
  }

  // A canvas of one pixel a cell, of those that are shown: `paint(strength, cell)` gives its red, green, blue and alpha.
  cells(shown, paint) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: this.cols, height: this.rows });
    const context = penOf(canvas);
    const image = context.createImageData(this.cols, this.rows);
    for (const [at, strength] of shown.entries()) if (strength) image.data.set(paint(strength, at), at * 4);
    context.putImageData(image, 0, 0);
    return canvas;
  }

  // Where the words stand together: the middle of the best tenth of the page's height and third of its width, as
  // fractions (x, y) of the page. A word counts there once, by where it is strongest; null where there is none.
  densest(word) {
    const [high, wide] = [Math.ceil(this.rows * PLACE[0]), Math.ceil(this.cols * PLACE[1])];
    const planes = this.numbersOf(word).map((number) => ({ weight: this.weight(number), plane: this.plane(number) })).filter(({ weight }) => weight > 0);
    const total = new Float32Array(this.rows * this.cols);
    for (const { weight, plane } of planes) {
      for (const [at, strength] of this.windows(plane, high, wide).entries()) total[at] += weight * strength;
    }
    const best = total.indexOf(Math.max(...total));
    if (!(total[best] > 0)) return null;
    const [top, left] = [Math.floor(best / this.cols), best % this.cols];
    let [x, y, sum] = [0, 0, 0];
    for (const { weight, plane } of planes) {
      const { strength, row, col } = this.strongest(plane, [top, top + high], [left, left + wide]);
      x += weight * strength * (col + 0.5);
      y += weight * strength * (row + 0.5);
      sum += weight * strength;
    }
    return [x / sum / this.cols, y / sum / this.rows];
  }

  // What a word counts: what it adds to the score, and that it stands in the text layer.
  weight(number) {
    const { contribution, text_boxes } = this.matches[number];
    return Math.max(contribution, text_boxes.length ? 0.1 : 0);
  }

  // (rows * cols) the strengths of one word; and where its text layer has it.
  plane(number) {
    const size = this.rows * this.cols;
    const plane = Float32Array.from(this.codes.subarray(number * size, (number + 1) * size), (code) => this.strengths[code]);
    for (const [left, top, right, bottom] of this.matches[number].text_boxes) {
      const row = Math.min(this.rows - 1, Math.floor(((top + bottom) / 2) * this.rows));
      for (let col = Math.floor(left * this.cols); col < Math.min(this.cols, right * this.cols); col++) {
        const at = row * this.cols + col;
        plane[at] = Math.max(plane[at], AS_TEXT);
      }
    }
    return plane;
  }

  // (rows * cols) the strongest cell of the window whose top left each cell is.
  windows(plane, high, wide) {
    const slide = (values, count, step, length) => values.map((_, at) => {
      const place = Math.floor(at / step) % length;
      let most = 0;
      for (let i = 0; i < Math.min(count, length - place); i++) most = Math.max(most, values[at + i * step]);
      return most;
    });
    return slide(slide(plane, wide, 1, this.cols), high, this.cols, this.rows);
  }

  strongest(plane, [top, bottom], [left, right]) {
    let best = { strength: 0, row: top, col: left };
    for (let row = top; row < Math.min(this.rows, bottom); row++) {
      for (let col = left; col < Math.min(this.cols, right); col++) {
        const strength = plane[row * this.cols + col];
        if (strength > best.strength) best = { strength, row, col };
      }
    }
    return best;
  }
}

function colour(strength) {
  const place = Math.min(1, Math.max(0, strength)) * (COLOURS.length - 1);
  const low = Math.min(Math.floor(place), COLOURS.length - 2);
  return COLOURS[low].map((value, i) => value + (COLOURS[low + 1][i] - value) * (place - low));
}

const css = (values, alpha = 1) => `rgb(${values.map(Math.round).join(" ")} / ${alpha})`;

// The fill: a transparent marker, below which print stays black. Grey paper is made white there first, so that what is
// printed on it has as much contrast as before.
export function tint(context, heat, word, { opacity, image }) {
  const { width, height } = context.canvas;
  context.save();
  whiten(context, heat, heat.shown(word), { opacity, image });
  context.imageSmoothingEnabled = false;
  context.globalCompositeOperation = "multiply";
  context.drawImage(heat.toCanvas(word, opacity), 0, 0, width, height);
  context.restore();
}

// Divides what is drawn by how light its paper is, in the cells that are `shown`.
function whiten(context, heat, shown, { opacity, image }) {
  const paper = paperOf(image, heat.rows, heat.cols);
  context.save();
  context.imageSmoothingEnabled = false;
  context.globalAlpha = opacity;
  context.globalCompositeOperation = "color-dodge"; // divides by 1 - the colour
  const grey = heat.cells(shown, (_, at) => [...Array(3).fill(255 * (1 - paper[at])), 255]);
  context.drawImage(grey, 0, 0, context.canvas.width, context.canvas.height);
  context.restore();
}

const SAMPLES = 4; // by 4 in a cell
const DARKEST_PAPER = 0.45; // darker ground is a picture, or print in white
const papers = new WeakMap(); // by image: they are asked for at every drawing

// (rows * cols) how light the paper is in each cell, 0 to 1; 1 where it is no paper.
function paperOf(image, rows, cols) {
  const known = papers.get(image);
  if (known?.rows === rows && known.cols === cols) return known.paper;
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: cols * SAMPLES, height: rows * SAMPLES });
  const context = penOf(canvas, { willReadFrequently: true });
  context.imageSmoothingQuality = "medium";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const greys = new Float32Array(SAMPLES ** 2); // of one cell
  const paper = new Float32Array(rows * cols).map((_, at) => {
    const [top, left] = [Math.floor(at / cols) * SAMPLES, (at % cols) * SAMPLES];
    for (let i = 0; i < greys.length; i++) {
      const pixel = 4 * ((top + Math.floor(i / SAMPLES)) * canvas.width + left + (i % SAMPLES));
      greys[i] = (0.299 * data[pixel] + 0.587 * data[pixel + 1] + 0.114 * data[pixel + 2]) / 255;
    }
    const light = greys.sort()[greys.length * 0.75];
    return light < DARKEST_PAPER ? 1 : light;
  });
  papers.set(image, { rows, cols, paper });
  return paper;
}

// Instead of the fill: lines around what is stronger than each of some strengths, and nothing on the print itself.
export function contour(context, heat, word, { opacity }) {
  const { width, height } = context.canvas;
  const shown = heat.shown(word);
  const at = (row, col) => (row < 0 || col < 0 || row >= heat.rows || col >= heat.cols ? 0 : shown[row * heat.cols + col]);
  const line = lineOf(context) * 1.2;
  context.save();
  context.globalAlpha = Math.max(opacity, 0.4);
  context.globalCompositeOperation = "multiply"; // a line may cross a word
  context.lineWidth = line;
  for (const [least, values] of CONTOURS) {
    const path = new Path2D();
    for (let row = 0; row <= heat.rows; row++) {
      for (let col = 0; col <= heat.cols; col++) {
        const [x, y] = [(col / heat.cols) * width, (row / heat.rows) * height];
        const is = at(row, col) >= least;
        if (is !== at(row, col - 1) >= least && row < heat.rows) addLine(path, x, y, x, ((row + 1) / heat.rows) * height);
        if (is !== at(row - 1, col) >= least && col < heat.cols) addLine(path, x, y, ((col + 1) / heat.cols) * width, y);
      }
    }
    context.strokeStyle = css(values);
    context.stroke(path);
  }
  context.restore();
}

function addLine(path, x, y, toX, toY) {
  path.moveTo(x, y);
  path.lineTo(toX, toY);
}

const lineOf = ({ canvas }) => Math.max(1.25, canvas.width / 600);

// A line with a white rim: it is seen on dark ground as well.
function drawTwice(context, line, style, stroke) {
  context.lineWidth = line * 1.9;
  context.strokeStyle = "rgb(255 255 255 / .9)";
  stroke();
  context.lineWidth = line;
  context.strokeStyle = style;
  stroke();
}

export function outline(context, matches) {
  const { width, height } = context.canvas;
  const line = lineOf(context);
  context.save();
  for (const [left, top, right, bottom] of matches.filter((match) => match.box).map((match) => match.box)) {
    const [x, y] = [left * width - line, top * height - line]; // outside, so that no ink is under it
    drawTwice(context, line, css(OUTLINE), () => context.strokeRect(x, y, right * width + line - x, bottom * height + line - y));
  }
  context.restore();
}

// The words as the text layer has them: their boxes hatched.
export function hatch(context, heat, matches, { image }) {
  const { width, height } = context.canvas;
  const boxes = matches.flatMap((match) => match.text_boxes);
  if (!boxes.length) return;
  const step = Math.max(5, Math.round(width / 160));
  const stripe = document.createElement("canvas");
  Object.assign(stripe, { width: step, height: step });
  const pen = penOf(stripe);
  pen.strokeStyle = css(TEXT_LAYER, 0.3);
  pen.lineWidth = step / 3;
  for (const shift of [-step, 0, step]) {
    pen.beginPath();
    pen.moveTo(shift, step);
    pen.lineTo(shift + step, 0);
    pen.stroke();
  }
  const place = new Path2D();
  for (const [left, top, right, bottom] of boxes) place.rect(left * width, top * height, (right - left) * width, (bottom - top) * height);
  context.save();
  context.clip(place);
  whiten(context, heat, new Uint8Array(heat.rows * heat.cols).fill(1), { opacity: 1, image });
  context.restore();
  context.save();
  context.globalCompositeOperation = "multiply";
  context.fillStyle = context.createPattern(stripe, "repeat");
  context.fill(place);
  context.strokeStyle = css(TEXT_LAYER, 0.8);
  context.lineWidth = lineOf(context) * 0.6;
  context.stroke(place);
  context.restore();
}

// The legend, of the fill or of the lines.
export function drawScale(canvas, { isContour }) {
  const context = penOf(canvas);
  context.clearRect(0, 0, canvas.width, canvas.height);
  for (let x = 0; x < canvas.width; x++) {
    const strength = x / (canvas.width - 1);
    const line = CONTOURS.findLast(([least]) => strength >= least);
    const values = isContour ? line?.[1] : colour(strength);
    if (!values) continue;
    context.fillStyle = css(values);
    context.fillRect(x, 0, 1, canvas.height);
  }
}
