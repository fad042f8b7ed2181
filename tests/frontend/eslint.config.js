import { createRequire } from "node:module";

const require = createRequire(new URL("../../.build/frontend/package.json", import.meta.url));
const [js, globals] = [require("@eslint/js"), require("globals")];

export default [
  js.configs.recommended,
  {
    languageOptions: { globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "no-unused-vars": ["error", { ignoreRestSiblings: true }], // `{ left, ...rest }` leaves something out
      "no-var": "error",
      "prefer-const": "error",
      eqeqeq: "error",
    },
  },
];
