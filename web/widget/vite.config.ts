import { defineConfig, type Plugin } from "vite";

/** What is fetched when it is needed, as a file beside the one that needs it. */
const BESIDE: Record<string, string> = {
  "./captcha": "./captcha.js",
  "./codeless": "./codeless.js",
  "./country-picker": "./countries.js",
  "./phone-guide": "./phone-metadata.js",
  "./i18n/en": "./locales/en.js",
  "./i18n/ru": "./locales/ru.js",
  "./web-otp": "./web-otp.js",
  "./define": "./kaskad-otp.js",
  react: "react",
};

/** What each mode builds; each is a file that stands alone but for what it fetches. */
const ENTRIES: Record<string, [name: string, source: string]> = {
  core: ["kaskad-otp", "define"],
  umd: ["otp-widget.umd", "umd"],
  react: ["react", "react"],
  captcha: ["captcha", "captcha"],
  codeless: ["codeless", "codeless"],
  countries: ["countries", "country-picker"],
  phone: ["phone-metadata", "phone-guide"],
  "web-otp": ["web-otp", "web-otp"],
  en: ["locales/en", "i18n/en"],
  ru: ["locales/ru", "i18n/ru"],
};

function beside(mode: string): Plugin {
  return {
    name: "beside",
    enforce: "pre",
    resolveId(source, importer) {
      const file = BESIDE[source];
      // The drop-in script carries both languages.
      if (!file || !importer || (mode === "umd" && source.startsWith("./i18n/"))) return null;
      return { id: file, external: true };
    },
    /** A classic script finds them by its own address. */
    transform(code) {
      if (mode !== "umd") return null;
      const found = code.replace(/import\("(\.[\w/-]+)"\)/g, (all, source: string) =>
        BESIDE[source] ? `import(beside("${BESIDE[source]}"))` : all,
      );
      return found === code ? null : `import { beside } from "./beside";${found}`;
    },
  };
}

export default defineConfig(({ mode }) => {
  const [name, source] = ENTRIES[mode] ?? ["", ""];
  return {
    plugins: [beside(mode)],
    build: {
      target: "es2022",
      outDir: "dist",
      emptyOutDir: false,
      reportCompressedSize: false,
      lib: {
        entry: `src/${source}.ts`,
        // A function that runs at once stands as a classic script and as a module.
        formats: [mode === "umd" ? "iife" : "es"],
        name: "kaskad",
        fileName: () => `${name}.js`,
      },
      rolldownOptions: { output: { minify: true } },
    },
  };
});
