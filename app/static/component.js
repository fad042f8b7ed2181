// The inspector in any page of Gradio: what Python gives is shown, what is chosen is told.

import { partsOf, say } from "./dom.js";
import { ALL } from "./heatmap.js";
import { Inspector } from "./inspector.js";

const STYLES = ["tokens", "controls", "inspector", "reader"];
const dressed = Promise.all(STYLES.map(load)); // once, however many there are

function load(name) {
  const link = document.createElement("link");
  Object.assign(link, { rel: "stylesheet", href: new URL(`${name}.css`, import.meta.url) });
  document.head.append(link);
  return new Promise((resolve) => ["load", "error"].forEach((type) => link.addEventListener(type, resolve)));
}

// `props`, `trigger` and `watch` as Gradio gives them to what runs in a gr.HTML.
export async function mount(element, { props, trigger, watch }) {
  await dressed;
  const root = element.querySelector(".cv-inspector");
  const part = partsOf(root);
  const inspector = new Inspector(root, {
    word: (value, number) => trigger("select", { index: number === ALL ? null : number, value }),
    patch: (patch) => trigger("click", patch),
  });

  const dress = () => {
    part("heat").checked = props.heatmap;
    part("patches").checked = props.patches;
    part("style").value = props.style;
    part("opacity").value = props.opacity * 100;
    root.style.height = `${props.height}px`;
    inspector.dress();
  };
  const choose = () => {
    inspector.choose(inspector.numberOf(props.word), { silent: true });
    inspector.view.reveal();
  };
  let shown = null; // what is to be shown: an image that comes later is not
  const show = async () => {
    const page = (shown = props.value || null);
    const image = page && (await loaded(page.image.url));
    if (page !== shown) return;
    root.hidden = !page;
    say(part("page-message"), page && !image ? "The image of this page did not come." : "");
    inspector.take(page && { image, why: image && page.why, title: page.name, label: page.name || "Page", ends: page.ends });
    if (image) choose();
  };

  watch(["heatmap", "patches", "style", "opacity", "height"], dress);
  watch("word", choose);
  watch("value", show);
  dress();
  await show();
}

async function loaded(url) {
  const image = new Image();
  image.src = url;
  return image.decode().then(() => image, () => null);
}
