// The same query asked in another way, beside the first: which pages move, come and go.

import * as api from "./api.js";
import { byId, make, say } from "./dom.js";
import { Results } from "./results.js";
import { inMilliseconds } from "./summary.js";

// What is changed for the second list, by its name in the address.
/** @type {Map<string, [string, Partial<import("./address.js").State>]>} */
const WAYS = new Map([
  ["pixels", ["the pixels alone", { text_fusion: "false" }]],
  ["text", ["with the text layer", { text_fusion: "true" }]],
  ["exact", ["every page in full", { mode: "exact" }]],
]);
const OTHER = "in "; // before the name of a collection

export class Compare {
  constructor(events) {
    this.ranks = new Map(); // of the first list, by document and page
    this.list = new Results(byId("cv-others"), { ...events, note: (hit) => this.moved(hit) });
  }

  /** @param {Api.CollectionView[]} collections
   * @param {import("./address.js").State} state */
  offer(collections, { collection, compare }) {
    const others = collections.filter((each) => each.name !== collection).map((each) => OTHER + each.name);
    const options = [["", "nothing"], ...[...WAYS].map(([way, [name]]) => [way, name]), ...others.map((name) => [name, name])];
    const drawn = JSON.stringify(options);
    if (drawn !== this.drawn) byId("cv-compare").replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
    this.drawn = drawn;
    byId("cv-compare").value = compare;
  }

  hide() {
    byId("cv-others").hidden = true;
    say(byId("cv-compared"), "");
    this.list.clear();
  }

  /** @param {import("./address.js").State} query
   * @param {Api.Answers["GET /search"] | null} answer
   * @param {AbortSignal} signal */
  async show(query, answer, signal) {
    this.hide();
    const { compare } = query;
    const elsewhere = compare.startsWith(OTHER) && { collection: compare.slice(OTHER.length), document: "" };
    const [name, change] = elsewhere ? [compare, elsewhere] : WAYS.get(compare) ?? [];
    if (!change || !answer) return;
    this.ranks = new Map(answer.hits.map((hit) => [`${hit.document_id} ${hit.page}`, hit.rank]));
    this.isElsewhere = Boolean(elsewhere);
    try {
      const other = await api.search({ ...query, ...change }, { signal });
      if (signal.aborted) return;
      this.list.show(other, { ...query, ...change });
      byId("cv-others").hidden = false;
      say(byId("cv-compared"), `second list: ${name}, ${inMilliseconds(other.timing_ms.total ?? 0)} ms`);
      byId("cv-compared").append(make("span", { class: "cv-beside-page" }, "; close the page to see both lists"));
    } catch (error) {
      if (!signal.aborted) say(byId("cv-compared"), error.message);
    }
  }

  /** @param {Api.HitView} hit */
  moved(hit) {
    if (this.isElsewhere) return "";
    const rank = this.ranks.get(`${hit.document_id} ${hit.page}`);
    if (rank === undefined) return "not in the first list";
    return rank === hit.rank ? "same place" : `${rank} in the first list`;
  }
}
