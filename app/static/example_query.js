// An image or a page as the query: chosen, dropped on the field or pasted; it is shown before the field.

import * as api from "./api.js";
import { byId } from "./dom.js";

const THUMBNAIL = 96; // pixels: twice what is shown, for dense screens
const WORDS = "Words, a part number";

export class ExampleQuery {
  constructor(events) {
    this.events = events; // image(token): it is searched with now; remove(); complain(sentence)
    this.box = byId("cv-example-query");
    this.image = byId("cv-example-query-image");
    this.form = byId("cv-search");
    this.input = byId("cv-image-file");
    this.input.addEventListener("change", () => {
      this.send(this.input.files?.[0]);
      this.input.value = ""; // the same file may be chosen again
    });
    byId("cv-example-query-remove").addEventListener("click", () => this.events.remove());
    for (const name of /** @type {const} */ (["dragover", "drop"])) this.form.addEventListener(name, (event) => this.drag(event));
    this.form.addEventListener("dragleave", (event) => this.aim(this.form.contains(/** @type {Node | null} */ (event.relatedTarget))));
    document.addEventListener("paste", (event) => this.paste(event));
    this.image.addEventListener("error", () => this.image.removeAttribute("src")); // a drawing stands in for it
  }

  // Beside the query a file is dropped to be read: see Uploads, which hears of it only from there.
  /** @param {DragEvent} event */
  drag(event) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    this.aim(event.type === "dragover");
    if (event.type === "drop") this.send(event.dataTransfer.files[0]);
  }

  aim(isAimed) {
    this.form.classList.toggle("is-target", isAimed);
  }

  // Cells of a spreadsheet are copied as text and as an image: their words are meant.
  /** @param {ClipboardEvent} event */
  paste(event) {
    const file = event.clipboardData?.files[0];
    if (!file || event.clipboardData.types.includes("text/plain")) return;
    event.preventDefault();
    this.send(file);
  }

  /** @param {File | undefined} file */
  async send(file) {
    if (!file) return;
    const request = (this.request = {});
    const most = Number(this.input.dataset.bytes);
    this.reveal(file.type.startsWith("image/") ? URL.createObjectURL(file) : "", `The image ${file.name}`);
    this.box.classList.add("is-busy");
    try {
      if (file.size > most) throw new Error(`the image is larger than the limit of ${Math.round(most / 2 ** 20)} MB: make it smaller`);
      const { token } = await api.addQueryImage(file);
      if (this.request === request) await this.events.image(token);
    } catch (error) {
      if (this.request === request) this.events.complain(error.message);
    } finally {
      if (this.request === request) this.box.classList.remove("is-busy");
    }
  }

  get isSending() {
    return this.box.classList.contains("is-busy");
  }

  // `image` and `like` as the address has them.
  /** @param {import("./address.js").State} state
   * @param {Api.Answers["GET /library"] | null} library */
  show({ image, like }, library) {
    this.request = {};
    this.box.classList.remove("is-busy");
    const page = like ? pageOf(like, library) : null;
    if (image) this.reveal(api.queryImage(image), "The image that is asked with");
    else if (page) this.reveal(api.pageImage(page.id, page.number, THUMBNAIL), page.name);
    else this.reveal(null, "");
  }

  /** @param {string | null} source
   * @param {string} what */
  reveal(source, what) {
    this.box.hidden = source === null;
    byId("cv-query").placeholder = source === null ? WORDS : "Or ask with words";
    byId("cv-example-query-remove").setAttribute("aria-label", what ? `Remove ${what[0].toLowerCase()}${what.slice(1)}` : "Remove");
    Object.assign(this.image, { alt: what, title: what });
    if (this.source?.startsWith("blob:") && this.source !== source) URL.revokeObjectURL(this.source);
    if (source && this.source !== source) this.image.src = source;
    if (!source) this.image.removeAttribute("src");
    this.source = source;
  }
}

// What is searched with, where that is not words.
/** @param {import("./address.js").State} state
 * @param {Api.Answers["GET /library"] | null} library */
export function exampleName({ image, like }, library) {
  if (image) return "like the image";
  return like ? `like ${pageOf(like, library).name}` : "";
}

/** @param {string} like
 * @param {Api.Answers["GET /library"] | null} library */
function pageOf(like, library) {
  const [, id, number] = like.match(/^(.*):(\d+)$/) ?? [];
  const name = library?.documents.find((each) => each.id === id)?.name;
  return { id, number, name: name ? `page ${number} of ${name}` : "a page" };
}
