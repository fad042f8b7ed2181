// What stands beside the rest where there is room, and where there is not, above it: as a dialog that holds the focus.

import { make } from "./dom.js";

export class Overlay {
  // `narrow` is the media query for where there is no room; close() is called when the user leaves the dialog.
  constructor(content, { narrow, label, close }) {
    this.content = content;
    this.media = matchMedia(narrow);
    this.home = document.createComment(label);
    this.dialog = make("dialog", { class: "cv-dialog", "aria-label": label });
    content.before(this.home, this.dialog);
    this.isShown = false;
    this.media.addEventListener("change", () => this.place());
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      close();
    });
    this.dialog.addEventListener("click", ({ target }) => target === this.dialog && close()); // beside it
  }

  show(isShown) {
    this.isShown = isShown;
    this.place();
  }

  place() {
    const isModal = this.isShown && this.media.matches;
    if (isModal === this.dialog.open) return;
    if (isModal) {
      this.dialog.append(this.content);
      this.dialog.showModal();
    } else {
      this.dialog.close();
      this.home.after(this.content);
    }
  }
}
