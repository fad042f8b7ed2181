// From the bytes of a similarity map to colours on a page.

// Yellow, orange, red, magenta, violet: falls evenly in lightness on white paper, so it reads without colour, too.
// The same in colvision/explain/heatmap.py: a test compares them.
const COLOURS = [[253, 231, 60], [251, 155, 50], [226, 92, 98], [170, 40, 130], [84, 10, 140]];
const FAINTEST = 0.08; // below it nothing is drawn: a tint everywhere says nothing
const COVER = [0.35, 0.65]; // of the opacity: what the faintest colour has, and what strength 1 adds
export const OUTLINE = [84, 10, 140];

export const ALL = -1; // instead of the number of a word
const ABSENT = 0.2; // below it a word was hardly seen; above, the bars say how sure we are

// Whether a word is told as missing: hardly seen, though it is in letters that can be, and neither in the text layer nor in the name.
export const isAbsent = ({ strength, in_text, in_name, unread }) => strength < ABSENT && !in_text && !in_name && !unread;

export class Heatmap {
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
  isUnseen(match) {
    return this.scale.is_probability && match.strength < ABSENT;
  }

  // The strongest word in a cell, of one word or of all: { word, code, strength }.
  cell(row, col, word) {
    const plane = this.rows * this.cols;
    const at = row * this.cols + col;
    let best = null;
    for (let number = 0; number < this.matches.length; number++) {
      if (word !== ALL && word !== number) continue;
      const code = this.codes[number * plane + at];
      if (code && (best === null || this.strengths[code] > best.strength)) {
        best = { word: number, code, strength: this.strengths[code] };
      }
    }
    return best;
  }

  // One pixel a cell; stretched over the page without smoothing, since a patch is what was compared.
  toCanvas(word, opacity) {
    const canvas = document.createElement("canvas");
    canvas.width = this.cols;
    canvas.height = this.rows;
    const context = canvas.getContext("2d");
    const image = context.createImageData(this.cols, this.rows);
    for (let at = 0; at < this.rows * this.cols; at++) {
      const found = this.cell(Math.floor(at / this.cols), at % this.cols, word);
      if (found === null || found.strength < FAINTEST) continue;
      image.data.set(colour(found.strength), at * 4);
      image.data[at * 4 + 3] = 255 * opacity * (COVER[0] + COVER[1] * found.strength);
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }
}

function colour(strength) {
  const place = Math.min(1, Math.max(0, strength)) * (COLOURS.length - 1);
  const low = Math.min(Math.floor(place), COLOURS.length - 2);
  return COLOURS[low].map((value, i) => value + (COLOURS[low + 1][i] - value) * (place - low));
}

export function tint(context, heat) {
  const { width, height } = context.canvas;
  context.save();
  context.imageSmoothingEnabled = false;
  context.globalCompositeOperation = "multiply"; // as a transparent marker: print stays black
  context.drawImage(heat, 0, 0, width, height);
  context.restore();
}

export function outline(context, matches) {
  const { width, height } = context.canvas;
  const line = Math.max(1.25, width / 600);
  context.save();
  for (const [left, top, right, bottom] of matches.filter((match) => match.box).map((match) => match.box)) {
    const [x, y] = [left * width - line, top * height - line]; // outside, so that no ink is under it
    const box = [x, y, right * width + line - x, bottom * height + line - y];
    context.lineWidth = line * 1.9;
    context.strokeStyle = "rgba(255, 255, 255, .9)";
    context.strokeRect(...box);
    context.lineWidth = line;
    context.strokeStyle = `rgb(${OUTLINE.join(" ")})`;
    context.strokeRect(...box);
  }
  context.restore();
}

export function drawScale(canvas) {
  const context = canvas.getContext("2d");
  for (let x = 0; x < canvas.width; x++) {
    context.fillStyle = `rgb(${colour(x / (canvas.width - 1)).join(" ")})`;
    context.fillRect(x, 0, 1, canvas.height);
  }
}
