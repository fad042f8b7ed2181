// A picture or a page as the question: chosen, dropped on the field or pasted; it is shown before the field.

import * as api from "./api.js";
import { byId } from "./dom.js";

const THUMBNAIL = 96; // pixels: twice what is shown, for dense screens
const WORDS = "Words on the page, a part number";

export class Asked {
  constructor(events) {
    this.events = events; // picture(token): it asks now; remove(); complain(sentence)
    this.box = byId("cv-asked");
    this.image = byId("cv-asked-image");
    this.form = byId("cv-ask");
    this.input = byId("cv-picture");
    this.input.addEventListener("change", () => {
      this.send(this.input.files[0]);
      this.input.value = ""; // the same file may be chosen again
    });
    byId("cv-asked-remove").addEventListener("click", () => this.events.remove());
    for (const name of ["dragover", "drop"]) this.form.addEventListener(name, (event) => this.drag(event));
    this.form.addEventListener("dragleave", (event) => this.aim(this.form.contains(event.relatedTarget)));
    document.addEventListener("paste", (event) => this.paste(event));
    this.image.addEventListener("error", () => this.image.removeAttribute("src")); // a drawing stands in for it
  }

  // Beside the question a file is dropped to be read: see Uploads, which hears of it only from there.
  drag(event) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    this.aim(event.type === "dragover");
    if (event.type === "drop") this.send(event.dataTransfer.files[0]);
  }

  aim(isAimed) {
    this.form.classList.toggle("is-target", isAimed);
  }

  // Cells of a spreadsheet are copied as text and as a picture: their words are meant.
  paste(event) {
    const file = event.clipboardData?.files[0];
    if (!file || event.clipboardData.types.includes("text/plain")) return;
    event.preventDefault();
    this.send(file);
  }

  async send(file) {
    if (!file) return;
    const turn = (this.turn = {});
    const most = Number(this.input.dataset.bytes);
    this.reveal(file.type.startsWith("image/") ? URL.createObjectURL(file) : "", `The picture ${file.name}`);
    this.box.classList.add("is-busy");
    try {
      if (file.size > most) throw new Error(`the picture is larger than the limit of ${Math.round(most / 2 ** 20)} MB: make it smaller`);
      const { token } = await api.sendPicture(file);
      if (this.turn === turn) await this.events.picture(token);
    } catch (error) {
      if (this.turn === turn) this.events.complain(error.message);
    } finally {
      if (this.turn === turn) this.box.classList.remove("is-busy");
    }
  }

  get isSending() {
    return this.box.classList.contains("is-busy");
  }

  // What asks, as the address has it.
  show({ picture, like }, library) {
    this.turn = {};
    this.box.classList.remove("is-busy");
    const page = pageOf(like, library);
    if (picture) this.reveal(api.askedPicture(picture), "The picture that is asked with");
    else if (page) this.reveal(api.pictureOf(page.id, page.number, THUMBNAIL), page.name);
    else this.reveal(null, "");
  }

  reveal(source, what) {
    this.box.hidden = source === null;
    byId("cv-query").placeholder = source === null ? WORDS : "Or ask with words";
    byId("cv-asked-remove").setAttribute("aria-label", `Remove ${what[0]?.toLowerCase()}${what.slice(1)}`);
    Object.assign(this.image, { alt: what, title: what });
    if (this.source?.startsWith("blob:") && this.source !== source) URL.revokeObjectURL(this.source);
    if (source && this.source !== source) this.image.src = source;
    if (!source) this.image.removeAttribute("src");
    this.source = source;
  }
}

// What is asked with, where that is not words.
export function likeWhat({ picture, like }, library) {
  if (picture) return "like the picture";
  return like ? `like ${pageOf(like, library).name}` : "";
}

function pageOf(like, library) {
  const [, id, number] = like.match(/^(.*):(\d+)$/) ?? [];
  const name = library?.documents.find((each) => each.id === id)?.name;
  return like && { id, number, name: name ? `page ${number} of ${name}` : "a page" };
}
