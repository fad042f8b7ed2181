// What the browser remembers, for all its tabs or for this one. It may be told to keep nothing: then there is nothing,
// and it is kept until the page is left.

class WebStorage {
  /** @param {"localStorage" | "sessionStorage"} name */
  constructor(name) {
    this.name = name; // to name it, even, is refused there
  }

  /** @param {string} key */
  get(key) {
    try {
      return window[this.name].getItem(key);
    } catch {
      return null;
    }
  }

  /** @param {string} key
   * @param {string} value */
  set(key, value) {
    try {
      window[this.name].setItem(key, value);
    } catch {
      // it is not kept
    }
  }

  // A list; none where another version, or somebody else, has kept something else.
  /** @param {string} key
   * @returns {any[]} */
  list(key) {
    try {
      const held = JSON.parse(this.get(key) ?? "[]");
      return Array.isArray(held) ? held : [];
    } catch {
      return [];
    }
  }
}

export const browser = new WebStorage("localStorage");
export const tab = new WebStorage("sessionStorage");
