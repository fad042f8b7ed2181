// A page image that is looked at closely: drawn with its heat, dragged, zoomed, turned. It knows nothing of documents.

import { make, partsOf } from "./dom.js";
import { ALL, contour, hatch, outline, tint } from "./heatmap.js";
import { fillText } from "./text_layer.js";

const SCALES = [0.2, 8]; // of the width of the view: the least and the most
const STEP = 1.25;
const WHEEL = 0.0022; // of a zoom's logarithm, by pixels of the wheel
const STILL = 4; // pixels between press and release: a click, beyond it a drag
const PADDING = 24; // pixels beside and above the page, both sides together

export class PageView {
  stage; events; sheet; canvas; text; tip;
  image; word; label; options; fit; scale; quarter;
  /** @type {import("./heatmap.js").Heatmap | null} */
  heat = null;

  // Event: patch({ row, col, word, similarity }) that was clicked, both "" and null where there is no vector.
  constructor(root, events) {
    const part = partsOf(root);
    this.events = events;
    Object.assign(this, { stage: part("stage"), sheet: part("sheet"), canvas: part("canvas"), text: part("text"), tip: part("hover") });
    Object.assign(this, { image: null, heat: null, word: ALL, label: "", options: { style: "fill", opacity: 1, patches: true } });
    Object.assign(this, { fit: "width", scale: 1, quarter: 0 }); // quarters of a turn, clockwise
    this.bind();
  }

  bind() {
    new ResizeObserver(() => this.draw()).observe(this.stage);
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.stage.addEventListener("pointerdown", (event) => this.grab(event));
    this.stage.addEventListener("click", (event) => this.pick(event));
    for (const type of ["touchstart", "touchmove", "touchend", "touchcancel"]) {
      this.stage.addEventListener(type, (event) => this.pinch(event), { passive: false });
    }
    this.sheet.addEventListener("pointermove", (event) => this.hover(event));
    this.sheet.addEventListener("pointerleave", () => (this.tip.hidden = true));
    addEventListener("beforeprint", () => this.image && this.paint(this.canvas, this.image.width));
    addEventListener("afterprint", () => this.draw());
  }

  // Another page; `words` of its text layer come later, see `read`.
  show({ image, heat, label }) {
    Object.assign(this, { image, heat, label, word: ALL });
    this.tip.hidden = true;
    this.read([]);
  }

  read(words) {
    fillText(this.text, words, this.image ? this.image.width / this.image.height : 1);
  }

  choose(word) {
    this.word = word;
    this.draw();
  }

  set(options) {
    Object.assign(this.options, options);
    this.draw();
  }

  get shown() {
    const matches = this.heat?.matches ?? [];
    return this.word === ALL ? matches : [matches[this.word]];
  }

  // Of these, whose patches say something.
  get seen() {
    return this.shown.filter((match) => this.word !== ALL || (match.contribution > 0 && !this.heat?.isUnseen(match)));
  }

  place() {
    const { image } = this;
    const isLying = this.quarter % 2 === 1;
    const aspect = isLying ? image.height / image.width : image.width / image.height;
    const [width, height] = [this.stage.clientWidth - PADDING, this.stage.clientHeight - PADDING];
    if (this.fit === "width") this.scale = 1;
    if (this.fit === "page") this.scale = Math.max(SCALES[0], Math.min(1, (height * aspect) / width));
    this.sheet.style.cssText = `width: ${this.scale * 100}%; aspect-ratio: ${aspect}; --turn: ${this.quarter * 90}deg`;
    this.sheet.classList.toggle("is-lying", isLying);
  }

  // As many pixels as the screen shows: a browser shrinks a finished canvas badly, and print gets thin.
  draw() {
    if (!this.image) return;
    this.place();
    const { width } = this.image;
    this.paint(this.canvas, Math.min(width, Math.round(this.canvas.clientWidth * devicePixelRatio) || width));
    const told = this.shown.map((match) => match.word).join(", ");
    this.canvas.setAttribute("aria-label", told ? `${this.label}, coloured where it matches ${told}` : this.label);
  }

  // While fingers or a wheel still move: once a frame is enough.
  drawSoon() {
    this.place();
    this.awaited ??= requestAnimationFrame(() => {
      this.awaited = null;
      this.draw();
    });
  }

  paint(canvas, width) {
    const { image, heat, word, options } = this;
    canvas.width = width;
    canvas.height = Math.round((width * image.height) / image.width);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    if (!heat) return;
    if (options.style) {
      const draw = options.style === "outline" ? contour : tint;
      draw(context, heat, word, { opacity: options.opacity, image });
      hatch(context, heat, this.shown, { image });
    }
    if (options.patches) outline(context, this.seen);
  }

  toCanvas() {
    const canvas = document.createElement("canvas");
    this.paint(canvas, this.image.width);
    return canvas;
  }

  zoom(by) {
    if (this.image) this.zoomTo(this.scale * (by > 0 ? STEP : 1 / STEP));
  }

  // About a point of the window (x, y): what is there, `held`, stays there.
  /** @param {number} scale
   * @param {number[]} at
   * @param {number[]} held */
  zoomTo(scale, at = this.middle, held = this.under(at)) {
    this.tip.hidden = true; // another cell lies there now
    this.fit = "";
    this.scale = Math.min(SCALES[1], Math.max(SCALES[0], scale));
    this.drawSoon();
    this.bring(held, at);
  }

  // "width" or "page": also when the view becomes larger or smaller.
  fitTo(fit) {
    if (!this.image) return;
    const held = this.under(this.middle);
    this.tip.hidden = true;
    this.fit = fit;
    this.draw();
    this.bring(held, this.middle);
  }

  // A quarter clockwise, for this view alone; to 0 for another document.
  turn(quarter = this.quarter + 1) {
    if (quarter % 4 === this.quarter) return;
    this.quarter = quarter % 4;
    this.draw();
  }

  get middle() {
    const view = this.stage.getBoundingClientRect();
    return [view.left + this.stage.clientWidth / 2, view.top + this.stage.clientHeight / 2];
  }

  // What lies at a point of the window, in fractions of the page as it is shown.
  /** @param {number[]} at */
  under([x, y]) {
    const frame = this.sheet.getBoundingClientRect();
    return [(x - frame.left) / frame.width, (y - frame.top) / frame.height];
  }

  /** @param {number[]} held
   * @param {number[]} at */
  bring([x, y], at) {
    const [left, top] = this.under(at);
    this.stage.scrollBy({ left: (x - left) * this.sheet.offsetWidth, top: (y - top) * this.sheet.offsetHeight, behavior: "instant" });
  }

  // Scrolls to where the words that are shown stand together.
  reveal() {
    const [x, y] = this.heat?.densest(this.word) ?? [];
    if (x !== undefined) this.bring([[x, y], [1 - y, x], [1 - x, 1 - y], [y, 1 - x]][this.quarter], this.middle);
  }

  /** @param {number[]} at */
  toPage([x, y]) {
    return [[x, y], [y, 1 - x], [1 - x, 1 - y], [1 - y, x]][this.quarter];
  }

  wheel(event) {
    if (!event.ctrlKey || !this.image) return; // which is also how a touchpad tells of two fingers
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1);
    this.zoomTo(this.scale * Math.exp(-WHEEL * Math.max(-240, Math.min(240, pixels))), [event.clientX, event.clientY]);
  }

  // Beside the words, which are selected instead; the middle button drags everywhere. Fingers scroll by themselves.
  grab(event) {
    this.pressed = [event.clientX, event.clientY];
    const isOnWord = event.target.closest(".cv-text span");
    const isOnScrollbar = event.target === this.stage && (event.offsetX >= this.stage.clientWidth || event.offsetY >= this.stage.clientHeight);
    if (!this.image || event.pointerType === "touch" || event.button > 1 || isOnScrollbar || (isOnWord && event.button === 0)) return;
    event.preventDefault();
    getSelection()?.removeAllRanges();
    this.stage.focus({ preventScroll: true });
    this.stage.setPointerCapture(event.pointerId);
    this.stage.classList.add("is-dragged");
    let [x, y] = [event.clientX, event.clientY];
    const ended = new AbortController();
    const drag = ({ clientX, clientY }) => {
      this.stage.scrollBy({ left: x - clientX, top: y - clientY, behavior: "instant" });
      [x, y] = [clientX, clientY];
    };
    const end = () => {
      this.stage.classList.remove("is-dragged");
      ended.abort();
    };
    this.stage.addEventListener("pointermove", drag, { signal: ended.signal });
    for (const type of ["pointerup", "pointercancel"]) this.stage.addEventListener(type, end, { signal: ended.signal });
  }

  // A click that has dragged nothing.
  pick({ clientX, clientY }) {
    const [x, y] = this.pressed ?? [NaN, NaN];
    const at = this.cellAt([clientX, clientY]);
    if (!at || !(Math.hypot(clientX - x, clientY - y) < STILL)) return;
    const { heat, row, col, found } = at;
    this.events.patch({ row, col, word: found ? heat.matches[found.word].word : "", similarity: found ? heat.similarity(found.code) : null });
  }

  // The cell { heat, row, col, found } at a point of the window, with the word that is strongest in it; null beside the
  // page.
  cellAt(at) {
    const { heat } = this;
    const [x, y] = this.toPage(this.under(at));
    if (!heat || !(x >= 0 && x <= 1 && y >= 0 && y <= 1)) return null;
    const { rows, cols } = heat;
    const [row, col] = [within(Math.floor(y * rows), rows - 1), within(Math.floor(x * cols), cols - 1)];
    return { heat, row, col, found: heat.cell(row, col, this.word) };
  }

  // Two fingers: what was between them stays between them.
  pinch(event) {
    if (event.touches.length !== 2 || !this.image) {
      this.fingers = null;
      return;
    }
    event.preventDefault();
    const [one, other] = event.touches;
    const apart = Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    const at = [(one.clientX + other.clientX) / 2, (one.clientY + other.clientY) / 2];
    this.fingers ??= { apart, scale: this.scale, held: this.under(at) };
    this.zoomTo((this.fingers.scale * apart) / this.fingers.apart, at, this.fingers.held);
  }

  hover(event) {
    const { tip } = this;
    if (event.buttons) tip.hidden = true; // nothing lies on what is being selected
    const at = event.buttons || event.pointerType === "touch" ? null : this.cellAt([event.clientX, event.clientY]);
    if (!at) return;
    const { heat, row, col, found } = at;
    const measured = found && `${heat.matches[found.word].word} · ${heat.scale.is_lead ? "lead" : "similarity"} ${heat.similarity(found.code).toFixed(2)}`;
    const chance = found && heat.scale.is_probability ? ` · match ${found.strength.toFixed(2)}` : "";
    tip.replaceChildren(make("b", {}, found ? measured + chance : "Blank here"), make("span", {}, `row ${row + 1}, column ${col + 1}`));
    tip.hidden = false;
    const view = tip.parentElement.getBoundingClientRect();
    const isLow = event.clientY + tip.offsetHeight + 24 > view.bottom;
    tip.style.left = `${within(event.clientX - view.left + 14, view.width - tip.offsetWidth - 4)}px`;
    tip.style.top = `${event.clientY - view.top + (isLow ? -tip.offsetHeight - 12 : 18)}px`;
  }
}

const within = (value, most) => Math.max(0, Math.min(most, value));
